import type { Client, InArgs, ResultSet } from "@libsql/client";

import type { Database, Row, Statement } from "./database.ts";

function inArgs({ sql, args }: Statement): { sql: string; args: InArgs } {
  return { sql, args: [...args] };
}

function rowsOf(result: ResultSet): readonly Row[] {
  return result.rows.map((row) => Array.from(row));
}

/** A database on a libSQL server (sqld, Turso), over whatever client the runtime has. */
export function remoteDatabase(connect: () => Promise<Client>): Database {
  let connected: Promise<Client> | null = null;
  const client = () => (connected ??= connect());
  return {
    embedded: false,
    ordered: false,
    async write(statements) {
      const results = await (await client()).batch(statements.map(inArgs), "write");
      return results.map(rowsOf);
    },
    async read(statement) {
      return rowsOf(await (await client()).execute(inArgs(statement)));
    },
    close() {
      void connected?.then((open) => open.close());
    },
  };
}
