import type { CliContext } from "./context.ts";
import { escapeLine } from "./control-characters.ts";

/** A column of a table: its heading, its minimum width, and whether it holds numbers. */
export interface Column {
  readonly heading: string;
  readonly width: number;
  readonly isNumber?: boolean;
}

/** Formats a line of a table; a cell that is wider than its column moves the rest to the right. */
export function tableRow(columns: readonly Column[], cells: readonly string[]): string {
  const line = columns.map(({ width, isNumber = false }, index) => {
    const cell = escapeLine(cells[index] ?? "");
    return isNumber ? cell.padStart(width) : cell.padEnd(width);
  });
  return `${line.join("  ").trimEnd()}\n`;
}

/** Format of a list of entries. */
export interface Listing<Entry> {
  readonly columns: readonly Column[];
  readonly cells: (entry: Entry) => readonly string[];
  /** Prints each entry as a line of JSON instead. */
  readonly asJson: boolean;
  /** Most entries to print. Default: all. */
  readonly most?: number;
}

/**
 * Prints entries as a table. The heading comes with the first entry, or at the end if there is none, so that an error is
 * never preceded by an empty table.
 */
export async function printTable<Entry>(
  { stdout }: Pick<CliContext, "stdout">,
  entries: AsyncIterable<Entry> | Iterable<Entry>,
  { columns, cells, asJson, most = Number.POSITIVE_INFINITY }: Listing<Entry>,
): Promise<void> {
  let printed = 0;
  for await (const entry of most === 0 ? [] : entries) {
    if (asJson) await stdout.write(`${JSON.stringify(entry)}\n`);
    else await stdout.write((printed === 0 ? tableHeading(columns) : "") + tableRow(columns, cells(entry)));
    printed += 1;
    if (printed === most) return;
  }
  if (printed === 0 && !asJson) await stdout.write(tableHeading(columns));
}

export function tableHeading(columns: readonly Column[]): string {
  return tableRow(
    columns,
    columns.map(({ heading }) => heading),
  );
}
