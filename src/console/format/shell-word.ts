const PLAIN = /^[\w@%+=:,./-]+$/;
/** Invisible characters, and those that change the direction of a line. */
const ESCAPED = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/;

const encoder = new TextEncoder();

function escapedCharacter(character: string): string {
  if (character === "'" || character === "\\") return `\\${character}`;
  if (!ESCAPED.test(character)) return character;
  return [...encoder.encode(character)].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
}

/** Quotes a text as one word of a POSIX shell, so that a pasted command runs nothing else. */
export function shellWord(text: string): string {
  if (PLAIN.test(text) && !text.startsWith("-")) return text;
  if (!ESCAPED.test(text)) return `'${text.replaceAll("'", String.raw`'\''`)}'`;
  return `$'${Array.from(text, escapedCharacter).join("")}'`;
}

/** Joins words to a command. */
export function shellCommand(...words: readonly string[]): string {
  return words.map(shellWord).join(" ");
}
