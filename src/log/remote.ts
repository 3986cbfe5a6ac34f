import type { Client, InArgs, ResultSet } from "@libsql/client";

import type { Database, Row, Statement } from "./database.ts";
import { UNANSWERED } from "./failures.ts";

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
  if (error.name === "LibsqlError" && typeof code === "string" && !NO_ANSWER.has(code)) return error;
  return Object.assign(new Error(error.message, { cause: error }), { code: UNANSWERED });
}

/** A database on a libSQL server (sqld, Turso), over whatever client the runtime has. */
export function remoteDatabase(connect: () => Promise<Client>): Database {
  let connected: Promise<Client> | null = null;
  const client = () => (connected ??= connect());
  return {
    embedded: false,
    ordered: false,
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
    close() {
      void connected?.then((open) => open.close());
    },
  };
}
