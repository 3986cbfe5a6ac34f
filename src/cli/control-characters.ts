/**
 * Names, types and messages come from servers and users. A terminal obeys control characters in them: they move the
 * cursor, overwrite earlier output, or set the clipboard. Output replaces them with `\u00xx`, which has the same
 * meaning in JSON.
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

/** Escapes control characters in a text of one line or less: newlines and tabs as well. */
export function escapeLine(text: string): string {
  return text.replace(ALL_CONTROLS, escaped);
}
