import type { z } from "zod";

/** Schemas of the `data` of events, by event type. */
export type EventSchemas = Readonly<Record<string, z.ZodType>>;

/** An event as a projection sees it: of the event log, or of the feed that is projected from. */
export interface SourceEvent<Type extends string = string, Data = unknown> {
  readonly type: Type;
  /** The stream (or, in a feed, the subject) it is about. */
  readonly subject: string;
  /** 1-based and gapless within the subject. */
  readonly version: number;
  /**
   * 1-based, in the event log. In a feed that is projected from another it is that of the event of the event log at
   * the beginning, which is the same whenever a feed is built.
   */
  readonly position: number;
  /** When it happened, or else when it was recorded; RFC 3339. */
  readonly time: string;
  readonly data: Data;
  /** CloudEvents extension attributes: `correlationid`, `causationid`, `traceparent`, ... */
  readonly extensions: Readonly<Record<string, unknown>>;
}

/** An integration event of one of the types of a contract. Its time is that of the event it comes from. */
export type IntegrationEvent<Contract extends EventSchemas> = {
  readonly [Type in keyof Contract & string]: { readonly type: Type; readonly data: z.input<Contract[Type]> };
}[keyof Contract & string];

/** Nothing, one or several integration events. */
export type Published<Contract extends EventSchemas> =
  | IntegrationEvent<Contract>
  | readonly IntegrationEvent<Contract>[]
  | null
  | undefined
  | void;

type AnySourceEvent<Events extends EventSchemas> = {
  readonly [Type in keyof Events & string]: SourceEvent<Type, z.output<Events[Type]>>;
}[keyof Events & string];

export interface FeedDefinition<
  Events extends EventSchemas = EventSchemas,
  Contract extends EventSchemas = EventSchemas,
  State = unknown,
> {
  /** Lower-case letters, digits and hyphens: it is part of the URL, `/feeds/{name}/v{version}`. */
  readonly name: string;
  /** 1, 2, 3 ... */
  readonly version: number;
  readonly description?: string;
  /** A draft may be rebuilt, and its contract may change in any way; consumers should not rely on it. Default: false. */
  readonly draft?: boolean;
  /**
   * `public`: everyone who reaches the server may read it, without credentials, and shared caches may keep its pages.
   * Default: `granted`, to senders with the grant `read:/feeds/{name}`.
   */
  readonly access?: "granted" | "public";
  /** The source: streams of the event log by prefix (default: all), or a version of another feed. */
  readonly source?:
    | { readonly streams: string | readonly string[] }
    | { readonly feed: string; readonly version: number };
  /** Schemas of the source's events, for types and checks; types that are not named here are not read. */
  readonly events: Events;
  /** Schemas of the published events. */
  readonly contract: Contract;
  /**
   * Which subject an event counts for, if not its own; null: for none. It must not depend on state. It is asked
   * about tombstones only if `events` names `kilde.erased` (with `z.null()`); else they count for none.
   */
  readonly subject?: (event: AnySourceEvent<Events>) => string | null;
  /** The state of a subject, folded from its events. JSON values only. */
  readonly state?: {
    readonly initial: State;
    readonly evolve: {
      readonly [Type in keyof Events & string]?: (
        state: State,
        event: SourceEvent<Type, z.output<Events[Type]>>,
      ) => State;
    };
  };
  /** Publishes integration events for an event. The state is the one after the event. Pure: no clock, no chance, no I/O. */
  readonly publish: {
    readonly [Type in keyof Events & string]?: (
      event: SourceEvent<Type, z.output<Events[Type]>>,
      state: State,
    ) => Published<Contract>;
  };
  /**
   * The events for an erased stream: `"erase"` (default) erases the subject in the feed, with a tombstone; a function
   * publishes something instead of the tombstone, or, if it publishes nothing, the tombstone stays. In both cases
   * everything that was published of the stream is erased, and the state is dropped. So `state` is the initial one; in a
   * re-keyed feed it is the state left by other streams.
   */
  readonly erased?:
    | "erase"
    | ((event: SourceEvent<"kilde.erased", null>, state: State) => Published<Contract>);
  /** The date from which it should no longer be used (`Deprecation`, RFC 9745); an RFC 3339 time or date. */
  readonly deprecated?: string;
  /** The date of its removal (`Sunset`, RFC 8594). */
  readonly sunset?: string;
  /** The version to use instead (`Link: rel="successor-version"`). */
  readonly successor?: number;
}

/** A handler of any types: it can be stored and checked, but not called without a cast of its parameters. */
type AnyHandler = (...parameters: never[]) => unknown;

/** A definition of any types, as in a list of feeds. */
export type AnyFeedDefinition = Omit<FeedDefinition, "subject" | "state" | "publish" | "erased"> & {
  readonly subject?: AnyHandler;
  readonly state?: {
    readonly initial: unknown;
    readonly evolve: Readonly<Record<string, AnyHandler | undefined>>;
  };
  readonly publish: Readonly<Record<string, AnyHandler | undefined>>;
  readonly erased?: "erase" | AnyHandler;
};

/**
 * Defines a version of a feed. Handlers get the types of their events, and must return events of the contract.
 *
 * @example
 * ```ts
 * import { defineFeed } from "kilde";
 * import { z } from "zod";
 *
 * export const users = defineFeed({
 *   name: "users",
 *   version: 1,
 *   source: { streams: "user-" },
 *   events: { UserRegistered: z.object({ name: z.string(), email: z.string() }) },
 *   contract: { UserAdded: z.object({ name: z.string() }) },
 *   publish: {
 *     UserRegistered: ({ data }) => ({ type: "UserAdded", data: { name: data.name } }),
 *   },
 * });
 * ```
 */
export function defineFeed<
  const Events extends EventSchemas,
  const Contract extends EventSchemas,
  State = undefined,
>(definition: FeedDefinition<Events, Contract, State>): FeedDefinition<Events, Contract, State> {
  return definition;
}
