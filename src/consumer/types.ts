import type { z } from "zod";

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
  /** When it happened, and when the event log took it; RFC 3339. */
  readonly time: string;
  readonly recordedTime: string;
  readonly data: Data;
  readonly metadata: KildeEvent["metadata"];
  readonly attributes: KildeEvent["attributes"];
  readonly reason?: string;
  /** Of a feed: position in the event log of the event it was projected from. */
  readonly projectedFrom?: number;
  /** Identity of the log that the position belongs to. */
  readonly logIdentity?: string;
}

/**
 * An event as a handler gets it: one of those of the contract, or the tombstone of a subject that was erased. A type
 * that was added to the contract since comes, too, and is to be passed over.
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
  /** Never there: only for the compiler. */
  readonly types?: Types;
}

/** A definition, as `defineFeed` gives it; no more is read of it. */
export interface DefinedFeed<Contract extends Readonly<Record<string, z.ZodType>>> {
  readonly name: string;
  readonly version: number;
  readonly contract: Contract;
}

/** The types of what a contract lets through. */
export type TypesOf<Contract extends Readonly<Record<string, z.ZodType>>> = {
  readonly [Type in keyof Contract & string]: z.input<Contract[Type]>;
};

/** Names a version of a feed, with the types that `kilde feeds types` printed, or those of its definition. */
export function feed<Types extends EventTypes = EventTypes>(
  log: `${string}/v${number}`,
): FeedReference<Types>;
export function feed<const Contract extends Readonly<Record<string, z.ZodType>>>(
  definition: DefinedFeed<Contract>,
): FeedReference<TypesOf<Contract>>;
export function feed(
  of: `${string}/v${number}` | DefinedFeed<Readonly<Record<string, z.ZodType>>>,
): FeedReference {
  return { log: typeof of === "string" ? of : `${of.name}/v${of.version}` };
}

/** The event log, whose subjects are its streams. */
export function eventLog<Types extends EventTypes = EventTypes>(): FeedReference<Types> {
  return { log: null };
}

/** What is known of an event besides what it holds. */
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
  // That it is one of the contract's is the server's promise; type and `erased` go together.
  return made as ConsumerEvent;
}

export function isErased(event: ConsumerEvent): boolean {
  return event.type === ERASED_TYPE;
}
