import { errorText } from "./core/error-text.ts";
import assert from "node:assert/strict";

import type { z } from "zod";

import { ERASED_TYPE } from "./core/event.ts";
import type { Decider, DomainEvent } from "./decider/decider.ts";
import { givenDecider, type When } from "./decider/testing.ts";
import { compileFeed } from "./feeds/define/compile.ts";
import type { EventSchemas, FeedDefinition, IntegrationEvent, SourceEvent } from "./feeds/define/define.ts";
import { createRehearsal, type RehearsedEvent } from "./feeds/define/rehearse.ts";

export type { Decider, DomainEvent } from "./decider/decider.ts";
export type { ThenDecides, When } from "./decider/testing.ts";

interface Circumstances {
  /** The stream. Default: a stream that the feed reads, the same for all events. */
  readonly subject?: string;
  /** RFC 3339. Default: one second after the event before, starting at 2026-01-01T00:00:00.000Z. */
  readonly time?: string;
  readonly extensions?: Readonly<Record<string, unknown>>;
}

/** A past event; `data` as it was appended. */
export type GivenEvent<Events extends EventSchemas> =
  | {
      readonly [Type in keyof Events & string]: {
        readonly type: Type;
        readonly data: z.input<Events[Type]>;
      } & Circumstances;
    }[keyof Events & string]
  | ({ readonly type: "kilde.erased" } & Circumstances);

interface Expected {
  /** Not compared when absent. */
  readonly subject?: string;
  readonly version?: number;
  readonly time?: string;
}

/** An expected event, or the tombstone of an erased subject. */
export type ExpectedEvent<Contract extends EventSchemas> =
  | (IntegrationEvent<Contract> & Expected)
  | ({ readonly type: "kilde.erased" } & Expected);

/** Expectations for a feed, given some events. */
export interface Then<Contract extends EventSchemas> {
  /** Throws an AssertionError with the difference if the feed publishes other events for all given events together. */
  thenPublishes(expected: readonly ExpectedEvent<Contract>[]): void;
  /** Throws an AssertionError if the feed does not halt, or halts with another message. */
  thenFails(message: RegExp): void;
}

const FIRST = Date.UTC(2026, 0, 1);

function sourceEvents(
  events: readonly ({ type: string; data?: unknown } & Circumstances)[],
  stream: string,
): SourceEvent[] {
  const versions = new Map<string, number>();
  return events.map(({ type, data = null, subject = stream, time, extensions = {} }, index) => {
    const version = (versions.get(subject) ?? 0) + 1;
    versions.set(subject, version);
    return {
      type,
      subject,
      version,
      position: index + 1,
      time: time ?? new Date(FIRST + index * 1_000).toISOString(),
      // As the log returns it.
      data: JSON.parse(JSON.stringify(data)) as unknown,
      extensions,
    };
  });
}

/** The members of an event to compare: type and data, and the other members of the expected event. */
function comparable(event: RehearsedEvent, expected: object): object {
  const named = new Set(["type", ...(event.type === ERASED_TYPE ? [] : ["data"]), ...Object.keys(expected)]);
  return Object.fromEntries(Object.entries(event).filter(([name]) => named.has(name)));
}

/**
 * Runs a feed over events in a test, like the server, in any test runner.
 *
 * @example
 * ```ts
 * import { defineFeed } from "kilde";
 * import { given } from "kilde/testing";
 * import { z } from "zod";
 *
 * const declarations = defineFeed({
 *   name: "declarations",
 *   version: 1,
 *   source: { streams: "declaration-" },
 *   events: { Paid: z.object({ amount: z.number() }) },
 *   contract: { DeclarationPaid: z.object({ cents: z.number() }) },
 *   publish: {
 *     Paid: ({ data }) => ({ type: "DeclarationPaid", data: { cents: data.amount * 100 } }),
 *   },
 * });
 *
 * given(declarations, [{ type: "Paid", data: { amount: 1 } }])
 *   .thenPublishes([{ type: "DeclarationPaid", data: { cents: 100 } }]);
 * ```
 */
export function given<const Events extends EventSchemas, const Contract extends EventSchemas, State>(
  definition: FeedDefinition<Events, Contract, State>,
  events: readonly GivenEvent<Events>[],
): Then<Contract>;
/**
 * Runs a decider in a test, given the past events of the stream. Compares events as the log returns them; fails if
 * the decider changes a state, an event or its initial state.
 *
 * @example
 * ```ts
 * import type { Decider } from "kilde/decider";
 * import { given } from "kilde/testing";
 *
 * type Command = { type: "Withdraw"; cents: number };
 * type Event =
 *   | { type: "Opened"; data: { owner: string } }
 *   | { type: "Withdrawn"; data: { cents: number } };
 * declare const account: Decider<Command, Event, number>;
 *
 * given(account, [{ type: "Opened", data: { owner: "Ida" } }])
 *   .when({ type: "Withdraw", cents: 1 })
 *   .thenFails(/only 0 left/);
 * ```
 */
export function given<Command, Event extends DomainEvent, State>(
  decider: Decider<Command, Event, State>,
  events: readonly NoInfer<Event>[],
): When<Command, Event, State>;
export function given<const Events extends EventSchemas, const Contract extends EventSchemas, State>(
  definition: FeedDefinition<Events, Contract, State> | Decider<unknown, DomainEvent, unknown>,
  events: readonly GivenEvent<Events>[] | readonly DomainEvent[],
): Then<Contract> | When<unknown, DomainEvent, unknown> {
  return "decide" in definition
    ? givenDecider(definition, events as readonly DomainEvent[])
    : givenFeed(definition, events as readonly GivenEvent<Events>[]);
}

function givenFeed<const Events extends EventSchemas, const Contract extends EventSchemas, State>(
  definition: FeedDefinition<Events, Contract, State>,
  events: readonly GivenEvent<Events>[],
): Then<Contract> {
  const feed = compileFeed(definition);
  const source = sourceEvents(events, `${feed.source.prefixes[0] ?? "subject-"}1`);
  const published = (): RehearsedEvent[] => {
    const rehearsal = createRehearsal(feed);
    return source.flatMap((event) => rehearsal(event));
  };
  return {
    thenPublishes(expected) {
      const actual = published().map((event, index) =>
        comparable(event, expected[index] ?? { subject: null }),
      );
      // The expectation is compared as JSON, too: an `undefined` member is absent.
      assert.deepStrictEqual(actual, JSON.parse(JSON.stringify(expected)));
    },
    thenFails(message) {
      let actual: RehearsedEvent[];
      try {
        actual = published();
      } catch (error) {
        assert.match(errorText(error), message);
        return;
      }
      assert.fail(`The feed did not fail, and published ${JSON.stringify(actual, null, 2)}`);
    },
  };
}
