/** Splits a text with one grant in each line. */
export function grantsOf(text: string): readonly string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

/** The time that a field for a local date has; null: never. */
export function expiryOf(text: string): string | null {
  return text === "" ? null : new Date(text).toISOString();
}
