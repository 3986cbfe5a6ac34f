import type { Database, Row } from "./database.ts";
import { isTooLarge } from "./failures.ts";

/**
 * Reads the rows of several items at once: a worker has few calls of its database. Reads them in halves where a libSQL server
 * refuses the answer as too large. `sql` takes the items as a JSON array, its only argument.
 */
export async function readOfAll(
  database: Pick<Database, "read">,
  sql: string,
  items: readonly unknown[],
): Promise<readonly Row[]> {
  if (items.length === 0) return [];
  try {
    return await database.read({ sql, args: [JSON.stringify(items)] });
  } catch (error) {
    if (items.length === 1 || !isTooLarge(error)) throw error;
    const middle = items.length >> 1;
    const first = await readOfAll(database, sql, items.slice(0, middle));
    return [...first, ...(await readOfAll(database, sql, items.slice(middle)))];
  }
}
