/** Separates the two parts of a stored key. Neither names nor idempotency keys contain control characters. */
const SEPARATOR = "\u001F";

/** Returns an idempotency key as it is stored: each named sender has keys of its own. `sender` null: nobody's. */
export function scopedKey(sender: string | null, key: string): string {
  return sender === null ? key : `${sender}${SEPARATOR}${key}`;
}

/** SQL expression for a stored key without its separator; with more than one, the others remain. */
export function withoutScope(column: string): string {
  return `(substr(${column}, 1, instr(${column}, char(31)) - 1) || substr(${column}, instr(${column}, char(31)) + 1))`;
}
