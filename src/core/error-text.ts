/**
 * The message of a thrown value. Never throws: user code may throw a value without a prototype, or an error whose
 * `message` is a getter that throws.
 */
export function errorText(thrown: unknown): string {
  try {
    const text: unknown = thrown instanceof Error ? thrown.message : thrown;
    return String(text);
  } catch {
    return "a value without a text form";
  }
}
