import { errorText } from "../../core/error-text.ts";

/** An error as a line of the log has it. */
interface LoggedError {
  readonly type: string;
  /** Its message, and those of its causes. */
  readonly message: string;
  /** Its stack, and those of its causes. */
  readonly stack?: string;
  /** The errors that it consists of. */
  readonly errors?: readonly LoggedError[];
  /** What else it has and JSON can hold. */
  readonly [member: string]: unknown;
}

/** Most causes of an error, and most errors with all that they consist of, that are described: either may be endless. */
const MOST_ERRORS = 10;

/** Most characters of a member: an error of a library may have its whole program. */
const MOST_CHARACTERS = 4_000;

/** Members that are described otherwise. */
const DESCRIBED: ReadonlySet<string> = new Set(["type", "name", "message", "stack", "cause", "errors"]);

/** Reads a member. Returns undefined where that throws: a getter of user code may. */
function memberOf(value: object, name: string): unknown {
  try {
    return Reflect.get(value, name);
  } catch {
    return undefined;
  }
}

/** Returns a value that JSON can hold; undefined: there is none, or it is too large. */
function plainOf(value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  try {
    const text = JSON.stringify(value) as string | undefined;
    return text === undefined || text.length > MOST_CHARACTERS ? undefined : (JSON.parse(text) as unknown);
  } catch {
    return undefined;
  }
}

function membersOf(error: object): Record<string, unknown> {
  const members: Record<string, unknown> = {};
  // Also the inherited ones: the errors of Bun's bundler have their position there, and a `toJSON` that fails elsewhere.
  for (const name in error) {
    if (DESCRIBED.has(name)) continue;
    const value = memberOf(error, name);
    const plain = typeof value === "function" ? undefined : plainOf(value);
    if (plain !== undefined) members[name] = plain;
  }
  return members;
}

/** Returns an error and its causes, each once. */
function withCauses(error: object): object[] {
  const chain = new Set<object>();
  let next: unknown = error;
  while (typeof next === "object" && next !== null && !chain.has(next) && chain.size < MOST_ERRORS) {
    chain.add(next);
    next = memberOf(next, "cause");
  }
  return [...chain];
}

/** Returns the name of the error, or else of its class, whose name a bundler may have shortened. */
function typeOf(error: object): string {
  const name = memberOf(error, "name");
  if (typeof name === "string" && name !== "Error") return name;
  const maker = memberOf(error, "constructor");
  return typeof maker === "function" && maker !== Object ? maker.name : typeof error;
}

/** Returns the place of a fault in a source, as a line of a stack. */
function placeOf(error: object): string {
  const position = memberOf(error, "position");
  if (typeof position !== "object" || position === null) return "";
  const [file, line, column] = ["file", "line", "column"].map((name) => memberOf(position, name));
  return `\n    at ${String(file)}:${String(line)}:${String(column)}`;
}

function stackOf(error: object): string | null {
  const stack = memberOf(error, "stack");
  const place = placeOf(error);
  if (typeof stack === "string" && stack !== "") return stack + place;
  return place === "" ? null : `${typeOf(error)}: ${errorText(error)}${place}`;
}

/** Describes the errors that one consists of, unless they are described already. */
function partsOf(error: object, described: Set<unknown>): LoggedError[] | null {
  const errors = memberOf(error, "errors");
  if (!Array.isArray(errors)) return null;
  const parts: LoggedError[] = [];
  for (const part of errors as readonly unknown[]) {
    if (described.size >= MOST_ERRORS) break;
    if (!described.has(part)) parts.push(describeOnce(part, described));
  }
  return parts;
}

function describe(error: object, described: Set<unknown>): LoggedError {
  const chain = withCauses(error);
  const stacks = chain.map(stackOf).filter((stack) => stack !== null);
  const errors = partsOf(error, described);
  return {
    ...membersOf(error),
    type: typeOf(error),
    message: chain.map(errorText).join(": "),
    ...(stacks.length === 0 ? {} : { stack: stacks.join("\ncaused by: ") }),
    ...(errors === null ? {} : { errors }),
  };
}

function describeOnce(thrown: unknown, described: Set<unknown>): LoggedError {
  described.add(thrown);
  try {
    if (typeof thrown === "object" && thrown !== null) return describe(thrown, described);
  } catch {
    // A proxy may refuse every access.
  }
  return { type: thrown === null ? "null" : typeof thrown, message: errorText(thrown) };
}

/** Describes a thrown value for a line of the log. Never throws, and JSON can hold the result, whatever was thrown. */
export function loggedError(thrown: unknown): LoggedError {
  return describeOnce(thrown, new Set());
}
