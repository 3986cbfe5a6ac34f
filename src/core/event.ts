import type { ProvedJson } from "./json.ts";

/** Prefix of the event types that Kilde writes; appends must not use it. */
export const RESERVED_TYPE_PREFIX = "kilde.";

/** Type of the tombstone that erasing a stream leaves behind. */
export const ERASED_TYPE = "kilde.erased";

/**
 * Type of an event of a feed whose source stream was erased. The event keeps its position and version, and has no
 * data.
 */
export const EVENT_ERASED_TYPE = "kilde.event-erased";

/** Type of the event at the head of a feed that reports which versions of a subject were erased in place. */
export const ERASED_IN_PART_TYPE = "kilde.erased-in-part";

/** A validated event that is about to be appended to a log; all members are text. */
export interface AcceptedEvent {
  readonly type: string;
  /** Time of the event as given (RFC 3339); null: the time of recording. */
  readonly time: string | null;
  /** Compact JSON text: numbers and strings as received, on one line. Null for an event without data. */
  readonly data: ProvedJson | null;
  /** JSON text of an object: the event's CloudEvents extension attributes. */
  readonly extensions: string | null;
}

/**
 * The version a subject must have for an append to be accepted: a number (0: it must not exist),
 * `"exists"`, or `"any"`.
 */
export type ExpectedVersion = number | "exists" | "any";

/** Place of the events of an append to one subject. */
export interface AppendReceipt {
  readonly subject: string;
  /** Version of the last event, which is the subject's version. */
  readonly version: number;
  /** Position of the last event. */
  readonly position: number;
  readonly count: number;
}
