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
  /** The stream. Default: one that the feed reads, the same for all events. */
  readonly subject?: string;
  /** RFC 3339. Default: a second after the event before, from 2026-01-01T00:00:00.000Z on. */
  readonly time?: string;
  readonly extensions?: Readonly<Record<string, unknown>>;
}

/** An event that happened; `data` as it was appended. */
export type GivenEvent<Events extends EventSchemas> =
  | {
      readonly [Type in keyof Events & string]: {
        readonly type: Type;
        readonly data: z.input<Events[Type]>;
      } & Circumstances;
    }[keyof Events & string]
  | ({ readonly type: "kilde.erased" } & Circumstances);

interface Expected {
  /** Not looked at when absent. */
  readonly subject?: string;
  readonly version?: number;
  readonly time?: string;
}

/** An event that is to be published, or the tombstone of an erased subject. */
export type ExpectedEvent<Contract extends EventSchemas> =
  | (IntegrationEvent<Contract> & Expected)
  | ({ readonly type: "kilde.erased" } & Expected);

/** What is expected of a feed, given some events. */
export interface Then<Contract extends EventSchemas> {
  /** Throws an AssertionError with the difference if anything else is published, for all the events together. */
  thenPublishes(expected: readonly ExpectedEvent<Contract>[]): void;
  /** Throws an AssertionError if the feed does not halt, or with another message. */
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
      // As it comes back from the log.
      data: JSON.parse(JSON.stringify(data)) as unknown,
      extensions,
    };
  });
}

/** As much of an event as is expected of it: type and data, and what else the expected event names. */
function comparable(event: RehearsedEvent, expected: object): object {
  const named = new Set(["type", ...(event.type === ERASED_TYPE ? [] : ["data"]), ...Object.keys(expected)]);
  return Object.fromEntries(Object.entries(event).filter(([name]) => named.has(name)));
}

/**
 * Runs a feed over events in a test, as the server would, in any runner.
 *
 * ```ts
 * given(declarations, [{ type: "Paid", data: { amount: 1 } }])
 *   .thenPublishes([{ type: "DeclarationPaid", data: { cents: 100 } }]);
 * ```
 */
export function given<const Events extends EventSchemas, const Contract extends EventSchemas, State>(
  definition: FeedDefinition<Events, Contract, State>,
  events: readonly GivenEvent<Events>[],
): Then<Contract>;
/**
 * Has a decider decide in a test, given what happened in the stream before. Events are compared as they come back from
 * the log; a decider that changes a state, an event or its initial state fails.
 *
 * ```ts
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
      // What is expected is compared as JSON, too: a member that is `undefined` is none.
      assert.deepStrictEqual(actual, JSON.parse(JSON.stringify(expected)));
    },
    thenFails(message) {
      let said: RehearsedEvent[];
      try {
        said = published();
      } catch (error) {
        assert.match(errorText(error), message);
        return;
      }
      assert.fail(`The feed did not fail, and published ${JSON.stringify(said, null, 2)}`);
    },
  };
}
