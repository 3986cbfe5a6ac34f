import { type Database, integerAt } from "../../storage/database.ts";

/**
 * Rows of a large table that one statement examines: each statement takes well under a second, and blocks no checkpoint
 * longer.
 */
export const WINDOW_ROWS = 20_000;

/** Beyond every key and id, which are JavaScript integers. */
export const END = 2 ** 53;

/** SQL by large table: how many rows it has, its first key, and the first key of the window after one that begins at `?1`. */
const LARGE_TABLES = {
  subjects: {
    count: "select count(*) from subjects",
    first: "select min(id) from subjects",
    next: `select id from subjects where id >= ?1 order by id limit 1 offset ${WINDOW_ROWS}`,
  },
  events: {
    count: "select count(*) from events",
    first: "select min(key) from events",
    next: `select key from events where key >= ?1 order by key limit 1 offset ${WINDOW_ROWS}`,
  },
} as const;

/** A table that is examined in windows. */
export type LargeTable = keyof typeof LARGE_TABLES;

/** Rows of all large tables. */
export async function countLargeRows(database: Database): Promise<number> {
  const { subjects, events } = LARGE_TABLES;
  const [row] = await database.read({ sql: `select (${subjects.count}) + (${events.count})`, args: [] });
  return integerAt(row, 0);
}

/** The windows of a table, each from its first key up to the first key of the next window. */
export async function* windowsOf(
  database: Database,
  table: LargeTable,
): AsyncGenerator<readonly [from: number, to: number]> {
  const { first, next } = LARGE_TABLES[table];
  const [begin] = await database.read({ sql: first, args: [] });
  let from = begin?.[0];
  while (typeof from === "number") {
    const [following] = await database.read({ sql: next, args: [from] });
    yield [from, following === undefined ? END : integerAt(following, 0)];
    from = following?.[0];
  }
}
