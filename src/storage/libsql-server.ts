import type { Client, InArgs, ResultSet } from "@libsql/client";

import type { Database, Row, Statement } from "./database.ts";
import { UNANSWERED } from "./failures.ts";
import { replicaDatabase, type ReplicaPatience } from "./replica.ts";

function inArgs({ sql, args }: Statement): { sql: string; args: InArgs } {
  return { sql, args: [...args] };
}

function rowsOf(result: ResultSet): readonly Row[] {
  return result.rows.map((row) => Array.from(row));
}

/** What the client calls an answer that is none: a status of HTTP, a body that breaks off, a connection that ended. */
const NO_ANSWER = new Set(["SERVER_ERROR", "HRANA_PROTO_ERROR", "HRANA_CLOSED_ERROR"]);

function withoutAnswer(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const code = "code" in error ? error.code : null;
  // What is not the client's own is what `fetch` failed with.
  if (/^Libsql(Batch)?Error$/.test(error.name) && typeof code === "string" && !NO_ANSWER.has(code))
    return error;
  return Object.assign(new Error(error.message, { cause: error }), { code: UNANSWERED });
}

interface Connection {
  readonly client: () => Promise<Client>;
  readonly close: () => void;
}

/** Connects when it is first needed. */
function connection(connect: () => Promise<Client>): Connection {
  let connected: Promise<Client> | null = null;
  return {
    client: () => (connected ??= connect()),
    close() {
      void connected?.then((open) => open.close());
    },
  };
}

/** A database on a libSQL server (sqld, Turso), over whatever client the runtime has. */
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
        return results.map(rowsOf);
      } catch (error) {
        throw withoutAnswer(error);
      }
    },
    async read(statement) {
      const opened = await client();
      try {
        return rowsOf(await opened.execute(inArgs(statement)));
      } catch (error) {
        throw withoutAnswer(error);
      }
    },
    close,
  };
}

/** A replica on a libSQL server. */
export function remoteReplica(connect: () => Promise<Client>, patience: ReplicaPatience): Database {
  const { client, close } = connection(connect);
  return replicaDatabase({
    ...patience,
    async readTogether(statements) {
      const opened = await client();
      try {
        return (await opened.batch(statements.map(inArgs), "read")).map(rowsOf);
      } catch (error) {
        throw withoutAnswer(error);
      }
    },
    close,
  });
}
