export const NUL_FAULT = "must not contain U+0000";

/** Whether a column can store a text as it is: the embedded database reads a text up to U+0000. */
export function hasNoNul(text: string): boolean {
  return !text.includes("\0");
}
