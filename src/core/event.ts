import type { ProvedJson } from "./json.ts";

/** Types that Kilde itself writes begin with this; appends may not use it. */
export const RESERVED_TYPE_PREFIX = "kilde.";

/** Type of the tombstone that erasing a stream leaves behind. */
export const ERASED_TYPE = "kilde.erased";

/**
 * Type of an event of a feed that was erased because of the stream it came from. It keeps its position and version, and
 * has no data.
 */
export const EVENT_ERASED_TYPE = "kilde.event-erased";

/** Type of the event that reports, at the head of a feed, which versions of a subject were erased in place. */
export const ERASED_IN_PART_TYPE = "kilde.erased-in-part";

/** An event on its way into a log: everything checked, everything text. */
export interface AcceptedEvent {
  readonly type: string;
  /** When it happened, RFC 3339, as given; absent means when it was recorded. */
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

/** Where the events of an append to one subject ended up. */
export interface AppendReceipt {
  readonly subject: string;
  /** The subject's version after it: the version of the last event. */
  readonly version: number;
  /** Position of the last event. */
  readonly position: number;
  readonly count: number;
}
