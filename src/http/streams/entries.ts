import { KildeError } from "../../core/errors.ts";
import { isJsonObject } from "../../core/json-object.ts";
import { type Outline, outlineOf } from "../../core/json-outline.ts";
import { jsonPointer } from "../../core/json-pointer.ts";
import { type JsonText, parseJson } from "../../core/json.ts";
import { type Limits, MAX_BULK_APPENDS } from "../../core/limits.ts";
import { traceContextOf } from "../../core/trace-context.ts";
import type { ProblemDetail } from "../../core/problem-members.ts";
import { LISTED_FAULTS } from "../pipeline/problems.ts";
import {
  ANY_EVENT,
  movedError,
  readLargePart,
  refuseBlank,
  refuseLarge,
  textAround,
  WHOLE_CHARACTERS,
} from "../wire/large-body.ts";
import { bodyFaultOf } from "./body-fault.ts";
import {
  checked,
  ENVELOPE_DEPTH,
  type IncomingPart,
  mediaTypeOf,
  plainEvents,
  type ReadAppend,
  tooManyEvents,
  unsupported,
} from "./new-events.ts";
import { isPlainEntry } from "./plain-append.ts";

/**
 * Reads the entries of `POST /appends`. The envelope is validated as a whole: JSON, a list of entries that each name a
 * stream and have events, keys that occur once. Any other fault is the entry's own, with pointers into the entry.
 */

type Path = readonly (string | number)[];

/** A JSON array, or one entry on each line. */
export type EntriesFormat = "array" | "lines";

/** An element of the list, with the text that it is part of. */
interface Element {
  readonly json: JsonText;
  /** Of the element in the text. */
  readonly path: Path;
  readonly value: unknown;
}

/** An element whose envelope is valid. */
interface Entry extends Element {
  readonly value: Readonly<Record<string, unknown>> & {
    readonly stream: string;
    readonly events: readonly unknown[];
  };
}

/** Returns the format of the body. Throws a KildeError for another media type. */
export function entriesFormat(headers: Headers): EntriesFormat {
  const mediaType = mediaTypeOf(headers);
  if (mediaType === "application/json") return "array";
  if (mediaType === "application/x-ndjson") return "lines";
  throw unsupported(mediaType);
}

const NO_LIST: ProblemDetail = { pointer: "", detail: "must be a list of appends" };

function tooManyAppends(): KildeError {
  return new KildeError("limit-exceeded", `There are more than ${MAX_BULK_APPENDS} appends in one request`, {
    limit: "bulkAppends",
  });
}

function parseElement(text: string, index: number, { limits }: ReadAppend): Element {
  try {
    const json = parseJson(text, limits.jsonDepth + ENVELOPE_DEPTH);
    return { json, path: [], value: json.value };
  } catch (error) {
    if (!(error instanceof KildeError)) throw error;
    throw inElement(error, index);
  }
}

/** Returns an error about an element's text as one about the body. */
function inElement(error: KildeError, index: number): KildeError {
  const { code, members } = movedError(error, { own: "", whole: `/${index}` });
  return new KildeError(code, `Entry ${index}: ${error.message}`, members);
}

/** Returns the lines with content. Empty ones are not kept: a body may be nothing else. */
function lineTexts(text: string): string[] {
  const lines: string[] = [];
  for (let start = 0; start < text.length;) {
    const found = text.indexOf("\n", start);
    const end = found === -1 ? text.length : found;
    const line = end === start ? "" : text.slice(start, end);
    if (line.trim() !== "") lines.push(line);
    if (lines.length > MAX_BULK_APPENDS) throw tooManyAppends();
    start = end + 1;
  }
  return lines;
}

/** Parses the whole text of an array at once. */
function arrayElements(text: string, { limits }: ReadAppend): Element[] {
  const json = parseJson(text, limits.jsonDepth + ENVELOPE_DEPTH);
  if (!Array.isArray(json.value)) throw invalidEnvelope([NO_LIST]);
  const values: readonly unknown[] = json.value;
  if (values.length > MAX_BULK_APPENDS) throw tooManyAppends();
  return values.map((value, index) => ({ json, path: [index], value }));
}

function invalidEnvelope(errors: readonly ProblemDetail[], errorCount = errors.length): KildeError {
  const [first] = errors;
  const where = first?.pointer === undefined || first.pointer === "" ? "The body" : first.pointer;
  return new KildeError("invalid-body", `${where}: ${first?.detail}`, { errors, errorCount });
}

/** Collects the faults of the envelope. */
function createFaults() {
  const errors: ProblemDetail[] = [];
  let count = 0;
  return {
    add(path: Path, detail: string) {
      count += 1;
      if (errors.length < LISTED_FAULTS) errors.push({ pointer: jsonPointer(path), detail });
    },
    finish() {
      if (count > 0) throw invalidEnvelope(errors, count);
    },
  };
}

/** Returns the fault of an entry's stream; null: it has none. Its length is bounded, because an outcome repeats it. */
function streamFault(name: unknown, { streamNameBytes }: Limits): string | null {
  if (typeof name !== "string") return "must be the name of a stream";
  return name.length > streamNameBytes ? `must be at most ${streamNameBytes} bytes of UTF-8` : null;
}

function isEntry(
  element: Element,
  index: number,
  faults: Pick<ReturnType<typeof createFaults>, "add">,
  limits: Limits,
): element is Entry {
  const { value } = element;
  if (!isJsonObject(value)) {
    faults.add([index], "must be an object with a stream and events");
    return false;
  }
  const nameFault = streamFault(value["stream"], limits);
  if (nameFault !== null) faults.add([index, "stream"], nameFault);
  const hasEvents = Array.isArray(value["events"]);
  if (!hasEvents) faults.add([index, "events"], "must be a list of events");
  return nameFault === null && hasEvents;
}

/** Reads elements one by one, so that only one is parsed at a time. */
function createEntryReader(reading: ReadAppend) {
  const faults = createFaults();
  const users = new Map<string, number>();
  const parts: IncomingPart[] = [];
  let left = reading.limits.eventsPerAppend;
  let index = 0;
  const take = (count: number) => {
    left -= count;
    if (left < 0) throw tooManyEvents(reading.limits);
  };
  const useKey = (key: unknown) => {
    if (typeof key !== "string") return;
    const user = users.get(key);
    if (user === undefined) users.set(key, index);
    else faults.add([index, "idempotencyKey"], `is the key of entry ${user} as well`);
  };
  return {
    /** Events that the rest of the body may have. */
    left: () => left,
    /** `own`: the events of an element that has one event in place of them. */
    add(element: Element, own?: Outline) {
      if (isEntry(element, index, faults, reading.limits)) {
        take(own?.elements.length ?? element.value.events.length);
        useKey(element.value["idempotencyKey"]);
        parts.push(
          readOrFault(element, index, () => {
            const read = () => readEntry(element, reading);
            return own === undefined ? read() : readLargePart(own, reading, read);
          }),
        );
      }
      index += 1;
    },
    /** Throws a KildeError with all faults of the envelope. */
    finish(): IncomingPart[] {
      if (index === 0) faults.add([], "must hold at least one append");
      faults.finish();
      return parts;
    },
  };
}

function readEntry({ json, path, value }: Entry, { limits, schemas }: ReadAppend): IncomingPart {
  const entry = isPlainEntry(value, limits) ? value : checked(schemas.bulkAppend, value);
  const { stream, events, expectedVersion, idempotencyKey, traceparent, tracestate } = entry;
  return {
    subject: stream,
    expectedVersion,
    idempotencyKey,
    ...(traceparent === undefined ? {} : { trace: traceContextOf(traceparent, tracestate) }),
    events: plainEvents(json, [...path, "events"], events, limits),
  };
}

/** Returns what `read` returns, or the entry with the fault that it throws, whose pointers are those in the entry. */
function readOrFault(
  { path, value: { stream } }: Entry,
  index: number,
  read: () => IncomingPart,
): IncomingPart {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof KildeError)) throw error;
    if (error.code === "malformed-json") throw inElement(error, index);
    const fault = path.length === 0 ? error : movedError(error, { own: jsonPointer(path), whole: "" });
    return { subject: stream, events: [], expectedVersion: undefined, fault: bodyFaultOf(fault) };
  }
}

/** Returns the appends of a body. Throws a KildeError when the envelope is invalid. */
export function readEntries(text: string, format: EntriesFormat, reading: ReadAppend): IncomingPart[] {
  const reader = createEntryReader(reading);
  if (format === "array") for (const element of arrayElements(text, reading)) reader.add(element);
  else for (const [index, line] of lineTexts(text).entries()) reader.add(parseElement(line, index, reading));
  return reader.finish();
}

/** Returns the texts of the elements of a large array. */
function arrayTexts(text: string, reading: ReadAppend): readonly string[] {
  const outline = outlineOf(text, null, MAX_BULK_APPENDS);
  if (outline === null) {
    refuseLarge(text, "", reading.limits);
    parseJson(text, reading.limits.jsonDepth + ENVELOPE_DEPTH);
    throw invalidEnvelope([NO_LIST]);
  }
  if (outline.hasMore) throw tooManyAppends();
  const { elements } = outline;
  parseJson(textAround(outline, elements.length === 0 ? null : "0"), reading.limits.jsonDepth);
  for (const element of elements) refuseBlank(element);
  return elements;
}

/** As {@link readEntries}, with little memory. `most`: characters of an entry that is parsed whole. */
export function readLargeEntries(
  text: string,
  format: EntriesFormat,
  reading: ReadAppend,
  most = WHOLE_CHARACTERS,
): IncomingPart[] {
  const reader = createEntryReader(reading);
  const texts = format === "array" ? arrayTexts(text, reading) : lineTexts(text);
  for (const [index, element] of texts.entries()) {
    const outline = element.length > most ? outlineOf(element, "events", reader.left()) : null;
    if (outline === null) {
      // Without a list of events, all of it may be one value.
      if (element.length > most) refuseLarge(element, `/${index}`, reading.limits);
      reader.add(parseElement(element, index, reading));
      continue;
    }
    if (outline.hasMore) throw tooManyEvents(reading.limits);
    const rest = textAround(outline, outline.elements.length === 0 ? null : ANY_EVENT);
    reader.add(parseElement(rest, index, reading), outline);
  }
  return reader.finish();
}
