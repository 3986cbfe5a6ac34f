import { endOfString, isClosing, isOpening, QUOTE } from "./json-scan.ts";

type Path = readonly (string | number)[];

/** Location of the text of a value: from `start` up to, but not including, `end`. */
interface Span {
  readonly start: number;
  readonly end: number;
}

const [COMMA, COLON, OPEN_OBJECT] = [0x2c, 0x3a, 0x7b];

/** The name of a member, from its text between quotes. */
export function nameAt(text: string, start: number, end: number): string {
  const name = text.slice(start + 1, end);
  return name.includes("\\") ? (JSON.parse(`"${name}"`) as string) : name;
}

/** Index after the value that begins at `start`. */
export function endOfValue(text: string, start: number): number {
  let depth = 0;
  for (let index = start; index < text.length; index += 1) {
    const character = text.charCodeAt(index);
    if (character === QUOTE) {
      index = endOfString(text, index);
    } else if (isOpening(character)) {
      depth += 1;
    } else if (isClosing(character)) {
      if (depth === 0) return index;
      depth -= 1;
    } else if (character === COMMA && depth === 0) {
      return index;
    }
  }
  return text.length;
}

/** Spans of the members of the object or array at a span, by name or index. */
function memberSpans(text: string, { start, end }: Span): Map<string | number, Span> {
  const spans = new Map<string | number, Span>();
  const isObject = text.charCodeAt(start) === OPEN_OBJECT;
  for (let index = start + 1; index < end - 1;) {
    let key: string | number = spans.size;
    if (isObject) {
      const endOfName = endOfString(text, index);
      key = nameAt(text, index, endOfName);
      index = endOfName + 2;
    }
    const endOfMember = endOfValue(text, index);
    spans.set(key, { start: index, end: endOfMember });
    index = endOfMember + 1;
  }
  return spans;
}

interface Container extends Span {
  /** Created at the first lookup. */
  members: Map<string | number, Span | Container> | null;
}

/**
 * Finds the text of any part of a valid, compact JSON text whose members have distinct names. Each object or array on
 * a path is scanned once, so that looking up all members of an envelope takes linear time.
 */
export function createTextFinder(text: string): (path: Path) => string | null {
  const root: Container = { start: 0, end: text.length, members: null };
  const memberOf = (container: Container, key: string | number): Container | null => {
    container.members ??= memberSpans(text, container);
    const span = container.members.get(key);
    if (span === undefined) return null;
    if ("members" in span) return span;
    const member = { ...span, members: null };
    container.members.set(key, member);
    return member;
  };
  return (path) => {
    let at: Container | null = root;
    for (const key of path) {
      at = memberOf(at, key);
      if (at === null) return null;
    }
    return text.slice(at.start, at.end);
  };
}

interface OpenContainer {
  /** Names of an object's members so far; null for an array. */
  readonly names: Set<string> | null;
  /** Name or index of the current member. */
  key: string | number;
}

/** Path of the first member of valid, compact JSON that has the name of an earlier member of its object; else null. */
export function repeatedMember(text: string): Path | null {
  const open: OpenContainer[] = [];
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charCodeAt(index);
    const container = open.at(-1);
    if (character === QUOTE) {
      const end = endOfString(text, index);
      if (container?.names && text.charCodeAt(end + 1) === COLON) {
        const name = nameAt(text, index, end);
        container.key = name;
        if (container.names.has(name)) return open.map(({ key }) => key);
        container.names.add(name);
      }
      index = end;
    } else if (isOpening(character)) {
      open.push(character === OPEN_OBJECT ? { names: new Set(), key: "" } : { names: null, key: 0 });
    } else if (isClosing(character)) {
      open.pop();
    } else if (character === COMMA && typeof container?.key === "number") {
      container.key += 1;
    }
  }
  return null;
}
