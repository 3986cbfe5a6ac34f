/** The parts of JSON that give access to the text of a number; older browsers lack them. */
interface TextualJson {
  readonly rawJSON?: (text: string) => unknown;
  parse(
    text: string,
    revive: (name: string, value: unknown, context: { source?: string }) => unknown,
  ): unknown;
}

/** A number with more digits than JavaScript always keeps. Some texts match it, too. */
const LONG_NUMBER = /[:,[\s]-?\d{16}/;

const INTEGER = /^-?\d+$/;

/**
 * Parses JSON as `JSON.parse` does, and keeps integers beyond 2^53 as raw JSON, so that they are compared and written exactly.
 * Older browsers round them.
 */
export function parseExact(text: string): unknown {
  const { rawJSON } = JSON as TextualJson;
  // Most texts have none, and calling a function for each value takes several times as long.
  if (rawJSON === undefined || !LONG_NUMBER.test(text)) return JSON.parse(text);
  return (JSON as TextualJson).parse(text, (_, value, { source = "" }) =>
    typeof value === "number" && !Number.isSafeInteger(value) && INTEGER.test(source)
      ? rawJSON(source)
      : value,
  );
}
