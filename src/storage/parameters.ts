/*
 * Rows travel to the database as one JSON parameter. A libSQL server takes no value above some 5 MB, so that many rows
 * travel in several.
 */

/** Longest parameter of more rows than one, in UTF-16 code units: three bytes each at most, in UTF-8. */
const MOST_CHARACTERS = 1_500_000;

/** Some rows as a JSON array. */
export interface RowsParameter {
  readonly json: string;
  /** Index of the first of them among all. */
  readonly offset: number;
}

/** All rows, in as few parameters as they fit in; one at least. */
export function rowsParameters(rows: readonly unknown[]): RowsParameter[] {
  const whole = JSON.stringify(rows);
  if (whole.length <= MOST_CHARACTERS) return [{ json: whole, offset: 0 }];
  const parameters: RowsParameter[] = [];
  let [texts, characters, offset]: [string[], number, number] = [[], 0, 0];
  const end = () => {
    parameters.push({ json: `[${texts.join(",")}]`, offset });
    offset += texts.length;
    [texts, characters] = [[], 0];
  };
  for (const row of rows) {
    const text = JSON.stringify(row);
    if (texts.length > 0 && characters + text.length > MOST_CHARACTERS) end();
    texts.push(text);
    characters += text.length + 1;
  }
  if (texts.length > 0) end();
  return parameters;
}
