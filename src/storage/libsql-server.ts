import type { Client, InArgs, ResultSet } from "@libsql/client";

import type { Database, Row, Statement } from "./database.ts";
import { UNANSWERED } from "./failures.ts";
import { replicaDatabase, type ReplicaOptions } from "./replica.ts";

function inArgs({ sql, args }: Statement): { sql: string; args: InArgs } {
  return { sql, args: [...args] };
}

function resultRows(result: ResultSet): readonly Row[] {
  return result.rows.map((row) => Array.from(row));
}

/** The client's codes for an invalid answer: an HTTP error status, an incomplete body, a connection that ended. */
const NO_ANSWER = new Set(["SERVER_ERROR", "HRANA_PROTO_ERROR", "HRANA_CLOSED_ERROR"]);

function withoutAnswer(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const code = "code" in error ? error.code : null;
  // An error that is not the client's own is the failure of `fetch`.
  if (/^Libsql(Batch)?Error$/.test(error.name) && typeof code === "string" && !NO_ANSWER.has(code))
    return error;
  return Object.assign(new Error(error.message, { cause: error }), { code: UNANSWERED });
}

interface Connection {
  readonly client: () => Promise<Client>;
  readonly close: () => void;
}

/** Connects on first use. */
function connection(connect: () => Promise<Client>): Connection {
  let connected: Promise<Client> | null = null;
  return {
    client: () => (connected ??= connect()),
    close() {
      void connected?.then((open) => open.close());
    },
  };
}

/** Returns the rows of several reads, from one round trip. */
function readingTogether(client: Connection["client"]) {
  return async (statements: readonly Statement[]): Promise<readonly (readonly Row[])[]> => {
    const opened = await client();
    try {
      return (await opened.batch(statements.map(inArgs), "read")).map(resultRows);
    } catch (error) {
      throw withoutAnswer(error);
    }
  };
}

/** Opens a database on a libSQL server (sqld, Turso), with the client of the runtime. */
export function remoteDatabase(connect: () => Promise<Client>): Database {
  const { client, close } = connection(connect);
  return {
    embedded: false,
    ordered: false,
    replica: false,
    async write(statements) {
      const opened = await client();
      try {
        const results = await opened.batch(statements.map(inArgs), "write");
        return results.map(resultRows);
      } catch (error) {
        throw withoutAnswer(error);
      }
    },
    async read(statement) {
      const opened = await client();
      try {
        return resultRows(await opened.execute(inArgs(statement)));
      } catch (error) {
        throw withoutAnswer(error);
      }
    },
    readTogether: readingTogether(client),
    close,
  };
}

/** Opens a replica on a libSQL server. */
export function remoteReplica(connect: () => Promise<Client>, options: ReplicaOptions): Database {
  const { client, close } = connection(connect);
  return replicaDatabase({
    ...options,
    readTogether: readingTogether(client),
    close,
  });
}
