import fc from "fast-check";
import { z } from "zod";

import { compileFeed } from "../../src/feeds/define/compile.ts";
import type { AnyFeedDefinition, SourceEvent } from "../../src/feeds/define/define.ts";
import type { Feed } from "../../src/feeds/feed.ts";
import { program } from "./feed-actions.ts";

/*
 * Random definitions of feeds, in two releases: the events published for each type, the folded state, how subjects are found,
 * where handlers throw until they are fixed, and what the newer release changes of the contract.
 */

/** The data of every event that a feed may read: of the event log, and of other feeds. */
interface Data {
  readonly n: number;
  readonly other: string;
  readonly from: string;
}

interface Counted {
  readonly count: number;
  readonly sum: number;
}

/** An integration event of a mapping: its type, and the number added to `n`. */
interface Output {
  readonly type: string;
  readonly shift: number;
}

const IN_TYPES = ["A", "B", "Other"];
const OUT_TYPES = ["Out0", "Out1", "Out2"];
/** The type that only the newer release publishes, of a feed that gets one. */
const NEW_TYPE = "New";

/**
 * What the newer release does otherwise. `open` and `narrow`: its contract states more of the events that both publish. `member` and `type`: it
 * also publishes more. `key`, of a draft: it finds other subjects.
 */
type Change = "none" | "open" | "narrow" | "member" | "type" | "key";

/** Whose handlers throw for some events. */
type Fragile = "never" | "until-fixed" | "older-release";

export interface RandomFeed {
  /** Index of the feed that it is projected from, among those before it; null: the event log. */
  readonly source: number | null;
  readonly prefixes: readonly string[];
  /** The events published for each of the source's types, by the type's index; types without an entry are not read. */
  readonly mapping: Readonly<Record<number, readonly Output[]>>;
  readonly key: "own" | "other" | "parity" | "some" | "from" | "one";
  readonly fragileKey: Fragile;
  readonly fragileHandler: Fragile;
  /** Indexes of types that are folded; null: nothing is. */
  readonly folds: readonly number[] | null;
  readonly erased: "erase" | "publish" | "nothing";
  readonly draft: boolean;
  readonly change: Change;
}

const fragile = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Fragile>("never") },
  { weight: 1, arbitrary: fc.constantFrom<Fragile>("until-fixed", "older-release") },
);

const output = fc.record({ type: fc.constantFrom(...OUT_TYPES), shift: fc.nat(1) });

/** Feeds of a random shape, each after the one that it is projected from. */
export const randomFeeds: fc.Arbitrary<RandomFeed[]> = fc.array(
  fc.record({
    source: fc.option(fc.nat(3), { freq: 3 }),
    prefixes: fc.constantFrom<readonly string[]>([], [], ["s-1"], ["s-0", "s-2"]),
    mapping: fc.dictionary(fc.constantFrom("0", "1", "2"), fc.array(output, { maxLength: 3, size: "max" }), {
      minKeys: 1,
      maxKeys: 3,
      size: "max",
    }) as fc.Arbitrary<RandomFeed["mapping"]>,
    key: fc.constantFrom<RandomFeed["key"]>("own", "own", "own", "other", "parity", "some", "from", "one"),
    fragileKey: fragile,
    fragileHandler: fragile,
    folds: fc.option(fc.uniqueArray(fc.nat(2), { minLength: 1, maxLength: 3 })),
    erased: fc.constantFrom<RandomFeed["erased"]>("erase", "erase", "publish", "nothing"),
    draft: fc.oneof(
      { weight: 3, arbitrary: fc.constant(false) },
      { weight: 1, arbitrary: fc.constant(true) },
    ),
    change: fc.constantFrom<Change>("none", "none", "open", "narrow", "member", "type", "key"),
  }),
  { minLength: 1, maxLength: 5, size: "max" },
);

/** Whether the feed is a draft: one that is projected from a draft cannot be published. */
function isDraft(all: readonly RandomFeed[], index: number): boolean {
  const feed = all[index];
  const source = sourceIndex(all, index);
  return feed?.draft === true || (source !== null && isDraft(all, source));
}

function sourceIndex(all: readonly RandomFeed[], index: number): number | null {
  const source = all[index]?.source ?? null;
  return source === null || index === 0 ? null : source % index;
}

function nameOf(index: number): string {
  return `feed-${index}`;
}

function contractOf(change: Change, isNewer: boolean, hasState: boolean): AnyFeedDefinition["contract"] {
  const members = {
    n: change === "narrow" && isNewer ? z.int() : z.number(),
    other: z.string(),
    from: z.string(),
    ...(hasState ? { count: z.int(), sum: z.int() } : {}),
    ...((change === "open" || change === "member") && isNewer ? { more: z.int() } : {}),
  };
  const schema = change === "open" ? z.looseObject(members) : z.object(members);
  const types = change === "type" && isNewer ? [...OUT_TYPES, NEW_TYPE] : OUT_TYPES;
  return {
    ...Object.fromEntries(types.map((type) => [type, schema])),
    Forgotten: z.object({ position: z.int(), count: z.int() }),
  };
}

function subjectBy(key: RandomFeed["key"], { subject, data }: SourceEvent): string | null {
  const { n, other, from } = data as Data;
  switch (key) {
    case "own":
      return subject;
    case "other":
      return other;
    case "parity":
      return `k-${n % 2}`;
    case "some":
      return n % 3 === 0 ? null : other;
    case "from":
      return from;
    case "one":
      return "k-0";
  }
}

/** Throws for an event that the program cannot handle: not yet, or not in the older release. */
function mustWork(how: Fragile, isNewer: boolean, { data }: SourceEvent): void {
  const isBroken = how === "until-fixed" ? program.broken : how === "older-release" && !isNewer;
  if (isBroken && (data as Data).n === 1) throw new Error("the program is broken");
}

function definition(all: readonly RandomFeed[], index: number, isNewer: boolean): AnyFeedDefinition {
  const feed = all[index];
  if (feed === undefined) throw new Error("there is no such feed");
  const source = sourceIndex(all, index);
  const sourceTypes = source === null ? IN_TYPES : [...OUT_TYPES.slice(0, 2), NEW_TYPE];
  const typeAt = (at: number | string) => sourceTypes[Number(at)] ?? "A";
  const draft = isDraft(all, index);
  const change = feed.change === "key" && !draft ? "none" : feed.change;
  const key = change === "key" && isNewer ? (feed.key === "own" ? "other" : "own") : feed.key;
  const { folds, erased } = feed;

  const outputsOf = (outputs: readonly Output[]) => (event: SourceEvent, state: unknown) => {
    mustWork(feed.fragileHandler, isNewer, event);
    const { n, other, from } = event.data as Data;
    const more = change === "open" || (change === "member" && isNewer) ? { more: 1 } : {};
    const folded = folds === null ? {} : (state as Counted);
    const every = change === "type" && isNewer ? [...outputs, { type: NEW_TYPE, shift: 0 }] : outputs;
    return every.map(({ type, shift }) => ({
      type,
      data: { n: n + shift, other, from, ...folded, ...more },
    }));
  };
  const evolve = (state: unknown, { data }: SourceEvent): Counted => {
    const { count, sum } = state as Counted;
    return { count: count + 1, sum: (sum * 3 + (data as Data).n) % 1_000 };
  };
  const types = Object.keys(feed.mapping).map(typeAt);
  return {
    name: nameOf(index),
    version: 1,
    draft,
    ...(source !== null
      ? { source: { feed: nameOf(source), version: 1 } }
      : feed.prefixes.length > 0 && { source: { streams: feed.prefixes } }),
    events: Object.fromEntries(types.map((type) => [type, z.any()])),
    contract: contractOf(change, isNewer, folds !== null),
    ...(key === "own"
      ? {}
      : {
          subject: (event: SourceEvent) => {
            mustWork(feed.fragileKey, isNewer, event);
            return subjectBy(key, event);
          },
        }),
    ...(folds === null
      ? {}
      : {
          state: {
            initial: { count: 0, sum: 0 },
            evolve: Object.fromEntries(
              folds.map(typeAt).flatMap((type) => (types.includes(type) ? [[type, evolve]] : [])),
            ),
          },
        }),
    publish: Object.fromEntries(
      Object.entries(feed.mapping).map(([at, outputs]) => [typeAt(at), outputsOf(outputs)]),
    ),
    ...(erased === "erase"
      ? {}
      : {
          erased: ({ position }: SourceEvent, state: unknown) =>
            erased === "nothing"
              ? null
              : {
                  type: "Forgotten",
                  data: { position, count: folds === null ? 0 : (state as Counted).count },
                },
        }),
  };
}

/** A release of random feeds. */
export function releaseOf(all: readonly RandomFeed[], isNewer: boolean): Feed[] {
  return all.map((_, index) => compileFeed(definition(all, index, isNewer)));
}

/**
 * Whether it makes no difference which release projects an event: both publish the same for it, or the feed is a draft, which
 * is built again by the newer one.
 */
export function isSameInBoth(all: readonly RandomFeed[], index: number): boolean {
  const { change } = all[index] ?? {};
  return isDraft(all, index) || (change !== "member" && change !== "type");
}

/**
 * Whether the newer release publishes as many events of the same subjects, so that the reports of erasures fit when a draft is
 * built again.
 */
export function keepsVersions(all: readonly RandomFeed[], index: number): boolean {
  const { change } = all[index] ?? {};
  const source = sourceIndex(all, index);
  const isChanged = isDraft(all, index) && (change === "type" || change === "key");
  return !isChanged && (source === null || keepsVersions(all, source));
}
