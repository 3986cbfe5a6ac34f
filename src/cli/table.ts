/** A column of a table: its heading, how wide it is at least, and whether it holds numbers. */
export interface Column {
  readonly heading: string;
  readonly width: number;
  readonly isNumber?: boolean;
}

/** A line of a table; what is longer than its column pushes the rest on. */
export function tableRow(columns: readonly Column[], cells: readonly string[]): string {
  const line = columns.map(({ width, isNumber = false }, index) => {
    const cell = cells[index] ?? "";
    return isNumber ? cell.padStart(width) : cell.padEnd(width);
  });
  return `${line.join("  ").trimEnd()}\n`;
}

export function tableHeading(columns: readonly Column[]): string {
  return tableRow(
    columns,
    columns.map(({ heading }) => heading),
  );
}
