/*
 * Rows are sent to the database as one JSON parameter. A libSQL server accepts no value above about 5 MB, so many rows
 * are split over several parameters.
 */

/** Longest parameter that holds more than one row, in UTF-16 code units: at most three bytes each in UTF-8. */
const MOST_CHARACTERS = 1_500_000;

/** Some rows as a JSON array. */
export interface RowsParameter {
  readonly json: string;
  /** Index of its first row among all rows. */
  readonly offset: number;
}

/** Splits rows over as few parameters as they fit in, at least one. */
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
