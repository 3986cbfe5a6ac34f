import { ERASED_TYPE } from "../core/event.ts";
import type { KildeEvent } from "../client/index.ts";

/** Types of `data` by event type: `{ Paid: { cents: number } }`. */
export type EventTypes = Readonly<Record<string, unknown>>;

interface EventOf<Type extends string, Data> {
  /** Position in the feed as text. */
  readonly id: string;
  readonly position: number;
  readonly subject: string;
  /** 1-based and gapless within the subject. */
  readonly version: number;
  readonly type: Type;
  /** Time of the event, and time of recording in the event log; RFC 3339. */
  readonly time: string;
  readonly recordedTime: string;
  readonly data: Data;
  readonly metadata: KildeEvent["metadata"];
  readonly attributes: KildeEvent["attributes"];
  readonly reason?: string;
  /** Position in the event log of the event that this event of a feed was projected from. */
  readonly projectedFrom?: number;
  /** Identity of the log that the position belongs to. */
  readonly logIdentity?: string;
}

/**
 * An event as a handler gets it: one of the contract's events, or the tombstone of an erased subject. Types that were
 * added to the contract later arrive as well; handlers must ignore them.
 */
export type ConsumerEvent<Types extends EventTypes = EventTypes> =
  | {
      readonly [Type in keyof Types & string]: EventOf<Type, Types[Type]> & { readonly erased: false };
    }[keyof Types & string]
  | (EventOf<typeof ERASED_TYPE, undefined> & { readonly erased: true });

/** A version of a feed, or the event log, with the types of its events. */
export interface FeedReference<Types extends EventTypes = EventTypes> {
  /** `"declarations/v2"`; null: the event log. */
  readonly log: `${string}/v${number}` | null;
  /** Only for the compiler: no object has this member. */
  readonly types?: Types;
}

/** A schema of zod, of which only the type of the input is used: these types check where zod is not installed. */
export interface InputSchema {
  readonly _zod: { readonly input: unknown };
}

/** A definition from `defineFeed`; only these members are read. */
export interface DefinedFeed<Contract extends Readonly<Record<string, InputSchema>>> {
  readonly name: string;
  readonly version: number;
  readonly contract: Contract;
}

/** Types of the events that a contract accepts. */
export type TypesOf<Contract extends Readonly<Record<string, InputSchema>>> = {
  readonly [Type in keyof Contract & string]: Contract[Type]["_zod"]["input"];
};

/**
 * Refers to a version of a feed, with the types that `kilde feeds types` printed, or those of its definition.
 *
 * @example
 * ```ts
 * import { feed } from "kilde/consumer";
 *
 * const users = feed<{ UserAdded: { name: string } }>("users/v1");
 * ```
 */
export function feed<Types extends EventTypes = EventTypes>(
  log: `${string}/v${number}`,
): FeedReference<Types>;
export function feed<const Contract extends Readonly<Record<string, InputSchema>>>(
  definition: DefinedFeed<Contract>,
): FeedReference<TypesOf<Contract>>;
export function feed(
  of: `${string}/v${number}` | DefinedFeed<Readonly<Record<string, InputSchema>>>,
): FeedReference {
  return { log: typeof of === "string" ? of : `${of.name}/v${of.version}` };
}

/**
 * Refers to the event log, whose subjects are its streams.
 *
 * @example
 * ```ts
 * import { eventLog } from "kilde/consumer";
 *
 * const log = eventLog<{ UserRegistered: { name: string } }>();
 * ```
 */
export function eventLog<Types extends EventTypes = EventTypes>(): FeedReference<Types> {
  return { log: null };
}

/** The metadata of an event, apart from its data. */
export function consumerEvent(event: KildeEvent): ConsumerEvent {
  const { id, position, subject, version, type, time, recordedTime, data, erased, reason } = event;
  const made = {
    id,
    position,
    subject,
    version,
    type,
    time,
    recordedTime,
    data,
    erased,
    ...(reason === undefined ? {} : { reason }),
    ...(event.projectedFrom === undefined ? {} : { projectedFrom: event.projectedFrom }),
    ...(event.logIdentity === undefined ? {} : { logIdentity: event.logIdentity }),
    get metadata() {
      return event.metadata;
    },
    get attributes() {
      return event.attributes;
    },
  };
  // The server guarantees that the event matches the contract; `type` and `erased` agree.
  return made as ConsumerEvent;
}

export function isErased(event: ConsumerEvent): boolean {
  return event.type === ERASED_TYPE;
}
