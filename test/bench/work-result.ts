import type { Row, WorkResult } from "./results.ts";
import { verdictsFor } from "./targets.ts";

/** The rows of a work, with the targets that they reach or miss. */
export function resultOf(
  name: string,
  title: string,
  unit: WorkResult["unit"],
  rows: readonly Row[],
): WorkResult {
  return { name, title, unit, rows, verdicts: verdictsFor(name, unit, rows) };
}
