/** Characters of a value that a message shows. */
const MOST_SHOWN = 200;

function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value, (_name, member: unknown) =>
      typeof member === "bigint" ? `${member}n` : member,
    );
  } catch {
    // A cycle, or a `toJSON` that throws: the configuration file is a program, and may hold any value.
    return `a value of type ${typeof value}`;
  }
}

/** Formats the value of a setting, of any type, for a message. */
export function writtenText(value: unknown): string {
  const text = jsonOf(value) ?? (typeof value === "function" ? "a function" : String(value));
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text;
}
