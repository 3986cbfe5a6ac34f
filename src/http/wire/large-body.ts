import { KildeError } from "../../core/errors.ts";
import type { ProblemDetail } from "../../core/problem-members.ts";
import { isLongerThan, type Outline, outlineOf } from "../../core/json-outline.ts";
import type { Limits } from "../../core/limits.ts";
import {
  type AppendHead,
  type Incoming,
  type IncomingPart,
  readAppend,
  type ReadAppend,
  readTransaction,
  tooManyEvents,
} from "../streams/new-events.ts";
import { LISTED_FAULTS } from "../pipeline/problems.ts";

/**
 * Reads a large body event by event, so that the memory that it takes does not depend on its content: parsed as a
 * whole, 16 MB of empty objects are more than 300 MB of values. Each event, and the text around the events, is read
 * as a body of its own, so the result is the same as reading the body as a whole.
 */

/** Most characters around the events: a few short members, and whitespace. */
const AROUND_CHARACTERS = 64 * 1024;

/** A valid event that replaces the events taken out. */
export const ANY_EVENT = '{"type":"a"}';
const ANY_APPEND = `{"stream":"a","events":[${ANY_EVENT}]}`;

const EVENTS: AppendHead = { format: "events", attributes: {} };

/** Returns the most characters of an event within the limits, with every character of its type and names escaped. */
function mostCharacters({ eventBytes, metadataBytes, typeBytes, streamNameBytes }: Limits): number {
  return eventBytes + 2 * metadataBytes + 6 * (typeBytes + streamNameBytes) + AROUND_CHARACTERS;
}

export function refuseLarge(text: string, pointer: string, limits: Limits): void {
  if (!isLongerThan(text, mostCharacters(limits))) return;
  const detail = `The event is larger than ${limits.eventBytes} bytes of data and ${limits.metadataBytes} of metadata`;
  throw new KildeError("limit-exceeded", `${pointer === "" ? "The body" : pointer}: ${detail}`, {
    limit: "eventBytes",
    errors: [{ pointer, detail }],
  });
}

/** The place of a part: the pointer to it in the part's own body, and in the whole body. */
interface Place {
  readonly own: string;
  readonly whole: string;
}

function moved(text: string, { own, whole }: Place): string {
  return text.startsWith(own) ? whole + text.slice(own.length) : text;
}

export function movedError(error: KildeError, place: Place): KildeError {
  const errors = error.members.errors?.map(({ pointer, ...detail }): ProblemDetail =>
    pointer === undefined ? detail : { ...detail, pointer: moved(pointer, place) },
  );
  const members = errors === undefined ? error.members : { ...error.members, errors };
  return new KildeError(error.code, moved(error.message, place), members);
}

/** Reads parts one by one, and collects the faults of all of them, as reading the whole body would. */
function createPartReader() {
  const errors: ProblemDetail[] = [];
  let errorCount = 0;
  let invalid: KildeError | null = null;
  let other: KildeError | null = null;
  return {
    read<Result>(place: Place, read: () => Result): Result | null {
      try {
        return read();
      } catch (error) {
        if (!(error instanceof KildeError)) throw error;
        const found = movedError(error, place);
        if (found.code === "malformed-json") throw found;
        if (found.code === "invalid-body") {
          const { errors: own = [], errorCount: ownCount = own.length } = found.members;
          errors.push(...own.slice(0, LISTED_FAULTS - errors.length));
          errorCount += ownCount;
          invalid ??= found;
        } else {
          other ??= found;
        }
        return null;
      }
    },
    /** Throws the collected faults. */
    finish() {
      if (invalid !== null) throw new KildeError("invalid-body", invalid.message, { errors, errorCount });
      if (other !== null) throw other;
    },
  };
}

type PartReader = ReturnType<typeof createPartReader>;

/** Returns the text around a list, with one valid element in place of its elements, if it has any. */
export function textAround(
  { before, after }: { readonly before: string; readonly after: string },
  element: string | null,
): string {
  if (before.length + after.length > AROUND_CHARACTERS) {
    const detail = `There are more than ${AROUND_CHARACTERS} characters around the events`;
    throw new KildeError("invalid-body", `The body: ${detail}`, { errors: [{ pointer: "", detail }] });
  }
  return before + (element ?? "") + after;
}

export function refuseBlank(text: string): void {
  if (text.trim() === "") throw new KildeError("malformed-json", "A list has an element without a value");
}

/** Reads the events of a list, each as the only event of a body. */
function readEvents(
  elements: readonly string[],
  { format, pointer }: { readonly format: "events" | "cloudevents"; readonly pointer: string },
  stream: string,
  reading: ReadAppend,
  reader: PartReader,
): Incoming["events"] {
  const head: AppendHead = { format, attributes: {} };
  return elements.flatMap((element, index) => {
    refuseBlank(element);
    const whole = `${pointer}/${index}`;
    const place = { own: format === "events" ? "/events/0" : "/0", whole };
    const incoming = reader.read(place, () => {
      refuseLarge(element, place.own, reading.limits);
      const body = format === "events" ? `{"events":[${element}]}` : `[${element}]`;
      return readAppend(head, body, stream, reading);
    });
    return incoming?.events ?? [];
  });
}

/** Reads an append in Kilde's own JSON: its events one by one, and the members around them by `readRest`. */
export function readLargePart<Part extends Incoming>(
  { elements }: Outline,
  reading: ReadAppend,
  readRest: () => Part,
): Part {
  const reader = createPartReader();
  const events = readEvents(elements, { format: "events", pointer: "/events" }, "a", reading, reader);
  const part = reader.read({ own: "", whole: "" }, readRest);
  reader.finish();
  if (part === null) throw new Error("an append without a fault was not read");
  return { ...part, events };
}

/** As {@link readAppend}. */
export function readLargeAppend(
  head: AppendHead,
  text: string,
  stream: string,
  reading: ReadAppend,
): Incoming {
  const { limits } = reading;
  const { format } = head;
  const isList = format === "events" || format === "cloudevents";
  const outline = isList
    ? outlineOf(text, format === "events" ? "events" : null, limits.eventsPerAppend)
    : null;
  if (outline === null || !isList) {
    refuseLarge(text, "", limits);
    return readAppend(head, text, stream, reading);
  }
  if (outline.hasMore) throw tooManyEvents(limits);
  const reader = createPartReader();
  const pointer = format === "events" ? "/events" : "";
  const events = readEvents(outline.elements, { format, pointer }, stream, reading, reader);
  let expectedVersion: Incoming["expectedVersion"];
  if (format === "events") {
    const whole = textAround(outline, outline.elements.length === 0 ? null : ANY_EVENT);
    ({ expectedVersion } = reader.read({ own: "", whole: "" }, () =>
      readAppend(EVENTS, whole, stream, reading),
    ) ?? { expectedVersion });
  } else {
    checkList(outline, stream, reading);
  }
  reader.finish();
  return { events, expectedVersion };
}

/** Checks that a batch of CloudEvents is a list with nothing around it. */
function checkList(
  outline: NonNullable<ReturnType<typeof outlineOf>>,
  stream: string,
  reading: ReadAppend,
): void {
  const event = '{"specversion":"1.0","id":"a","source":"a","type":"a"}';
  const whole = textAround(outline, outline.elements.length === 0 ? null : event);
  readAppend({ format: "cloudevents", attributes: {} }, whole, stream, reading);
}

/** Reads one append of a transaction. */
function readPart(append: string, reading: ReadAppend): IncomingPart | null {
  return readTransaction(`{"appends":[${append}]}`, reading)[0] ?? null;
}

/** An append, or an entry, of at most so many characters is parsed whole. */
export const WHOLE_CHARACTERS = 256 * 1024;

/** As {@link readTransaction}. `most`: characters of an append that is parsed whole. */
export function readLargeTransaction(
  text: string,
  reading: ReadAppend,
  most = WHOLE_CHARACTERS,
): IncomingPart[] {
  const { limits } = reading;
  const outline = outlineOf(text, "appends", limits.eventsPerAppend);
  if (outline === null) {
    refuseLarge(text, "", limits);
    return readTransaction(text, reading);
  }
  if (outline.hasMore) throw tooManyEvents(limits);
  const reader = createPartReader();
  let left = limits.eventsPerAppend;
  /** An append counts as at least one event, since it must have one. */
  const take = (events: number) => {
    left -= Math.max(1, events);
    if (left < 0) throw tooManyEvents(limits);
  };
  const parts = outline.elements.map((append, index): IncomingPart | null => {
    refuseBlank(append);
    const pointer = `/appends/${index}`;
    if (append.length <= most) {
      const part = reader.read({ own: "/appends/0", whole: pointer }, () => readPart(append, reading));
      // Of a part that is not valid, too.
      take(part?.events.length ?? outlineOf(append, "events", left + 1)?.elements.length ?? 0);
      return part;
    }
    const own = outlineOf(append, "events", left);
    if (own?.hasMore === true) throw tooManyEvents(limits);
    take(own?.elements.length ?? 0);
    const list = { format: "events", pointer: `${pointer}/events` } as const;
    const events = own === null ? [] : readEvents(own.elements, list, "a", reading, reader);
    const part = reader.read({ own: "/appends/0", whole: pointer }, () => {
      if (own === null) refuseLarge(append, "/appends/0", limits);
      const rest = own === null ? append : textAround(own, own.elements.length === 0 ? null : ANY_EVENT);
      return readPart(rest, reading);
    });
    return part === null ? null : { ...part, events };
  });
  const whole = textAround(outline, outline.elements.length === 0 ? null : ANY_APPEND);
  reader.read({ own: "", whole: "" }, () => readTransaction(whole, reading));
  reader.finish();
  return parts.filter((part) => part !== null);
}
