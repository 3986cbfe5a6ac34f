import type { Database, Row, Statement } from "./database.ts";

/** Reads that share a round trip. */
const MOST_READS = 500;

/** Returns the rows of each read, from few round trips: a worker has few calls of its database. */
export async function readTogether(
  database: Pick<Database, "read" | "readTogether">,
  statements: readonly Statement[],
): Promise<readonly (readonly Row[])[]> {
  if (database.readTogether === undefined)
    return Promise.all(statements.map((statement) => database.read(statement)));
  const rows: (readonly Row[])[] = [];
  for (let next = 0; next < statements.length; next += MOST_READS)
    rows.push(...(await database.readTogether(statements.slice(next, next + MOST_READS))));
  return rows;
}
