import {
  type AttributeValue,
  FREE_METADATA,
  freeMetadata,
  isKildeAttribute,
  JSON_CONTENT_TYPE,
  METADATA_ATTRIBUTES,
  PLACED_ATTRIBUTES,
} from "./attributes.ts";
import { eventIdOf } from "./cursor.ts";
import { ERASED_TYPE } from "./event.ts";

/** Metadata of an event. Free members may hold any JSON. */
export interface Metadata {
  readonly correlationId?: string;
  readonly causationId?: string;
  /** W3C Trace Context. */
  readonly traceparent?: string;
  readonly tracestate?: string;
  readonly [member: string]: unknown;
}

/** An event that was read from a log. */
export interface KildeEvent<Data = unknown> {
  /** Its position in the log as text. */
  readonly id: string;
  /**
   * The cursor to store and pass as `lastEventId` to continue after this event: `<position>-<identity of the log>`.
   * After a restore of the server, the next read fails with `log-restored` if the log no longer has this event. The
   * bare `id` is accepted as well, but cannot show a restore.
   */
  readonly cursor: string;
  /** Identity of the log, which a restore of the server changes; absent when the server sends none. */
  readonly logIdentity?: string;
  /** 1-based and gapless in the log, except for truncated events. */
  readonly position: number;
  readonly subject: string;
  /** 1-based and gapless in the stream. */
  readonly version: number;
  readonly type: string;
  /** Time of the event (RFC 3339); the time of recording when the producer stated none. */
  readonly time: string;
  /** Time of recording. */
  readonly recordedTime: string;
  /** Absent for an event without data. */
  readonly data: Data;
  readonly metadata: Metadata;
  /**
   * Further CloudEvents attributes: extensions, `dataschema`, and a `datacontenttype` other than application/json. An
   * event that was appended as a CloudEvent has its own id and source as `originid` and `originsource`.
   */
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  /** True for the tombstone of an erased stream; `reason` holds the reason. */
  readonly erased: boolean;
  readonly reason?: string;
  /** Position in the event log of the event that this event of a feed was projected from. */
  readonly projectedFrom?: number;
}

/** A CloudEvent as the server sends it. */
export interface WireEvent {
  readonly id: string;
  readonly logidentity?: string;
  readonly type: string;
  readonly subject: string;
  readonly time: string;
  readonly sequence: string;
  readonly recordedtime?: string;
  readonly correlationid?: string;
  readonly causationid?: string;
  readonly traceparent?: string;
  readonly tracestate?: string;
  readonly metadata?: string;
  readonly reason?: string;
  readonly projectedfrom?: string;
  readonly datacontenttype?: string;
  readonly data?: unknown;
}

/** Never throws: an attribute `metadata` that is not the JSON text of an object stays among the attributes. */
function metadataOf(event: WireEvent): Metadata {
  const { correlationid, causationid, traceparent, tracestate, metadata } = event;
  return {
    ...freeMetadata(metadata),
    ...(correlationid === undefined ? {} : { correlationId: correlationid }),
    ...(causationid === undefined ? {} : { causationId: causationid }),
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(tracestate === undefined ? {} : { tracestate }),
  };
}

/** Attributes that no other member of an event holds. */
export function furtherAttributes(event: WireEvent): Readonly<Record<string, AttributeValue>> {
  const further = Object.entries(event).filter(([name, value]) => {
    if (PLACED_ATTRIBUTES.has(name) || isKildeAttribute(name)) return false;
    if (name === FREE_METADATA) return freeMetadata(value) === null;
    if (name === "datacontenttype") return value !== JSON_CONTENT_TYPE;
    return !Object.hasOwn(METADATA_ATTRIBUTES, name);
  });
  return Object.fromEntries(further) as Record<string, AttributeValue>;
}

const POSITION = /^\d+$/;

/** Metadata and attributes are parsed at the first access: most readers of an event never access them. */
class ReadEvent implements KildeEvent {
  readonly id: string;
  readonly position: number;
  readonly logIdentity?: string;
  readonly subject: string;
  readonly version: number;
  readonly type: string;
  readonly time: string;
  readonly recordedTime: string;
  readonly data: unknown;
  readonly erased: boolean;
  readonly reason?: string;
  readonly projectedFrom?: number;
  readonly #wire: WireEvent;

  constructor(wire: WireEvent) {
    this.#wire = wire;
    this.id = wire.id;
    this.position = Number(wire.id);
    if (wire.logidentity !== undefined) this.logIdentity = wire.logidentity;
    this.subject = wire.subject;
    this.version = Number(wire.sequence);
    this.type = wire.type;
    this.time = wire.time;
    this.recordedTime = wire.recordedtime ?? wire.time;
    this.data = wire.data;
    this.erased = wire.type === ERASED_TYPE;
    if (this.erased && wire.reason !== undefined) this.reason = wire.reason;
    if (wire.projectedfrom !== undefined && POSITION.test(wire.projectedfrom)) {
      this.projectedFrom = Number(wire.projectedfrom);
    }
  }

  get cursor(): string {
    return eventIdOf({ position: this.position, identity: this.logIdentity ?? null });
  }

  get metadata(): Metadata {
    return metadataOf(this.#wire);
  }

  get attributes(): Readonly<Record<string, AttributeValue>> {
    return furtherAttributes(this.#wire);
  }
}

export function eventOf<Data>(wire: WireEvent): KildeEvent<Data> {
  // The caller states the type of `data`; the log accepts any JSON.
  return new ReadEvent(wire) as KildeEvent<Data>;
}
