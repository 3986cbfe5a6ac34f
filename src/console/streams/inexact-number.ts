/** Whether JSON has a number, parsed by JavaScript, that may have another value in its text. */
export function hasInexactNumber(value: unknown): boolean {
  if (typeof value === "number") return Math.abs(value) > Number.MAX_SAFE_INTEGER;
  return typeof value === "object" && value !== null && Object.values(value).some(hasInexactNumber);
}
