import { KildeError } from "../../core/errors.ts";
import type { BatchWriter } from "../../storage/batch-writer.ts";
import type { Row, Statement } from "../../storage/database.ts";

/** Returns the first row of each statement. */
export async function writeConsumer(
  writer: BatchWriter,
  statements: readonly Statement[],
): Promise<readonly (Row | undefined)[]> {
  const written = await writer.write(statements);
  if (written.outcome === "outdated") throw new KildeError("overloaded", "The database is busy");
  return written.rows.map(([row]) => row);
}
