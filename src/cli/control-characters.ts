/*
 * Names, types and messages come from servers and users. A terminal obeys control characters in them: they move the
 * cursor, rewrite what was printed, or set the clipboard. So text is printed with `\u00xx` in their place, which in JSON
 * has the same meaning.
 */

/** C0 (without newline and tab), DEL and C1. */
// oxlint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

// oxlint-disable-next-line no-control-regex
const ALL_CONTROLS = /[\u0000-\u001f\u007f-\u009f]/g;

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** Escapes control characters in text of several lines. */
export function escapeControls(text: string): string {
  return text.replace(CONTROLS, escaped);
}

/** Escapes control characters in a text that has a line, or a part of one, to itself: newlines and tabs as well. */
export function escapeLine(text: string): string {
  return text.replace(ALL_CONTROLS, escaped);
}
