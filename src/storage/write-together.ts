import { charactersOf, type Database, type Row, type Statement } from "./database.ts";

/** Most characters of one batch that has more than one group: a libSQL server refuses requests that are far larger. */
const MOST_CHARACTERS = 1_000_000;

/**
 * Writes groups of statements, each of which is atomic, in few batches: a worker has few calls of its database. Returns the rows
 * of each statement of each group.
 */
export async function writeTogether(
  database: Pick<Database, "write">,
  groups: readonly (readonly Statement[])[],
): Promise<readonly (readonly (readonly Row[])[])[]> {
  const written: (readonly (readonly Row[])[])[] = [];
  for (let next = 0; next < groups.length;) {
    const batch: (readonly Statement[])[] = [];
    for (let characters = 0; next < groups.length; next += 1) {
      const group = groups[next] ?? [];
      characters += charactersOf(group);
      if (batch.length > 0 && characters > MOST_CHARACTERS) break;
      batch.push(group);
    }
    const statements = batch.flat();
    const rows = statements.length === 0 ? [] : await database.write(statements);
    let offset = 0;
    for (const { length } of batch) written.push(rows.slice(offset, (offset += length)));
  }
  return written;
}
