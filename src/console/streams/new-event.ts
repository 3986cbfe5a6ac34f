import type { NewEvent } from "../../client/types.ts";

/** Texts of the fields of an event to append. */
export interface EventDraft {
  readonly type: string;
  /** JSON; empty: an event without data. */
  readonly data: string;
  /** The JSON of an object; empty: none. */
  readonly metadata: string;
}

/** An event to append, or the first fault of its texts. */
export type ReadDraft = { readonly event: NewEvent } | { readonly fault: string };

const STRINGS = /"(?:[^"\\]|\\.)*"/g;
const NUMBERS = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** Most digits of which a number of JavaScript keeps each. */
const EXACT_DIGITS = 15;

function isExact(token: string): boolean {
  const value = Number(token);
  if (/^-?\d+$/.test(token)) return BigInt(token) === BigInt(value);
  const [mantissa = ""] = token.toLowerCase().split("e");
  const digits = mantissa.replaceAll(/[-.]/g, "").replace(/^0+/, "");
  return Number.isFinite(value) && digits.length <= EXACT_DIGITS;
}

/** The first number of a JSON text that the browser would change; undefined: it keeps all. */
function changedNumber(text: string): string | undefined {
  return text
    .replaceAll(STRINGS, '""')
    .match(NUMBERS)
    ?.find((token) => !isExact(token));
}

type ReadJson = { readonly value: unknown } | { readonly fault: string };

function readJson(name: string, text: string): ReadJson {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { fault: `${name} is not JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
  const changed = changedNumber(text);
  if (changed === undefined) return { value };
  return {
    fault: `${name} has the number ${changed}, which browsers would change; the command line keeps it`,
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Reads the texts of an event to append. */
export function readDraft({ type, data, metadata }: EventDraft): ReadDraft {
  if (type.trim() === "") return { fault: "The event needs a type, such as UserRegistered" };
  const readData = data.trim() === "" ? null : readJson("The data", data);
  if (readData !== null && "fault" in readData) return readData;
  const readMetadata = metadata.trim() === "" ? null : readJson("The metadata", metadata);
  if (readMetadata !== null && "fault" in readMetadata) return readMetadata;
  if (readMetadata !== null && !isObject(readMetadata.value))
    return { fault: "The metadata must be a JSON object" };
  return {
    event: {
      type: type.trim(),
      ...(readData === null ? {} : { data: readData.value }),
      ...(readMetadata === null ? {} : { metadata: readMetadata.value as Record<string, unknown> }),
    },
  };
}
