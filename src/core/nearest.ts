/** Number of characters to insert, delete, replace, or swap with the next one (Damerau distance). */
function distance(from: string, to: string): number {
  const rows: number[][] = [Array.from({ length: to.length + 1 }, (_, column) => column)];
  const at = (line: number, column: number) => rows[line]?.[column] ?? 0;
  for (let line = 1; line <= from.length; line += 1) {
    rows.push([line]);
    for (let column = 1; column <= to.length; column += 1) {
      const isSame = from[line - 1] === to[column - 1];
      const isSwapped = line > 1 && from[line - 2] === to[column - 1] && from[line - 1] === to[column - 2];
      const edits = [
        at(line - 1, column) + 1,
        at(line, column - 1) + 1,
        at(line - 1, column - 1) + (isSame ? 0 : 1),
        ...(isSwapped ? [at(line - 2, column - 2) + 1] : []),
      ];
      rows[line]?.push(Math.min(...edits));
    }
  }
  return at(from.length, to.length);
}

/** The name nearest to a misspelled one; null when none is near. */
export function nearest(written: string, names: readonly string[]): string | null {
  // Long names are not typos, and comparing them would take long.
  if (written.length > 40) return null;
  const [best] = names
    .map((name) => ({ name, edits: distance(written.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.edits - b.edits);
  return best !== undefined && best.edits <= Math.max(1, written.length / 3) ? best.name : null;
}
