import { describe, expect, test } from "bun:test";

import fc from "fast-check";
import { z } from "zod";

import { compileFeeds } from "../../../src/feeds/define/compile-all.ts";
import { compileFeed } from "../../../src/feeds/define/compile.ts";
import type { AnyFeedDefinition } from "../../../src/feeds/define/define.ts";
import { FeedDefinitionError } from "../../../src/feeds/define/definition-faults.ts";
import { ProjectionError } from "../../../src/feeds/feed.ts";
import { declarations, sourceEvent } from "../declarations.ts";

function faultsOf(changes: object): readonly string[] {
  try {
    // What a user without a type checker may write.
    compileFeed({ ...declarations, ...changes });
  } catch (error) {
    if (error instanceof FeedDefinitionError) return error.faults;
    throw error;
  }
  return [];
}

/** A feed that publishes what `publish` gives, of one type, `Out`, with this contract. */
function publishing(contract: z.ZodType, publish: (data: never) => unknown, strict = true) {
  const definition = {
    name: "echo",
    version: 1,
    events: { In: z.any() },
    contract: { Out: contract },
    publish: { In: (event: { data: never }) => publish(event.data) },
  };
  const feed = compileFeed(definition, { strict });
  return (data: unknown) => feed.project("s", sourceEvent("In", data, 7, "s"), null);
}

function failure(run: () => unknown): ProjectionError {
  try {
    run();
  } catch (error) {
    if (error instanceof ProjectionError) return error;
    throw error;
  }
  throw new Error("it did not fail");
}

describe("a definition", () => {
  test("becomes a feed", () => {
    const { subjectOf, project, ...plain } = compileFeed(declarations);
    expect(plain).toMatchObject({
      name: "declarations",
      version: 2,
      path: "/feeds/declarations/v2",
      draft: false,
      rekeyed: false,
      source: {
        log: "/events",
        prefixes: ["declaration-"],
        types: ["Submitted", "Paid", "kilde.erased"],
      },
      deprecated: null,
    });
    expect(plain.schemas["DeclarationSubmitted"]).toMatchObject({
      type: "object",
      required: ["cents"],
      properties: { cents: { type: "integer" }, note: { type: "string" } },
    });
    expect(subjectOf(sourceEvent("Paid", { amount: 1 }))).toBe("declaration-1");
    expect(project("declaration-1", sourceEvent("Paid", { amount: 1 }), null).events).toHaveLength(1);
  });

  test("reads each prefix once, and a feed by its path", () => {
    const sourceOf = (source: NonNullable<AnyFeedDefinition["source"]>) =>
      compileFeed({ ...declarations, source }).source;
    expect(sourceOf({ streams: ["b-", "a-", "a-1", "b-"] }).prefixes).toEqual(["a-", "b-"]);
    expect(sourceOf({ feed: "other", version: 3 })).toMatchObject({ log: "/feeds/other/v3", prefixes: [] });
  });

  const wrong: [changes: object, fault: RegExp][] = [
    [{ name: "Declarations" }, /^name: must be lower-case/],
    [{ name: undefined }, /^name: must be a text/],
    [{ version: 0 }, /^version: must be a whole number from 1/],
    [{ version: 1.5 }, /^version: /],
    [{ sucessor: 3 }, /^sucessor: there is no such member/],
    [{ state: { initial: {}, evolve: {}, fold: 1 } }, /^state\.fold: there is no such member/],
    [{ events: { Submitted: "string" } }, /^events\.Submitted: must be a zod 4 schema/],
    [{ events: {}, publish: {}, state: undefined, erased: () => null }, /^events: must name/],
    [{ publish: { Submited: () => null } }, /^publish\.Submited: `events` names no such type/],
    [{ publish: { Paid: "x" } }, /^publish\.Paid: must be a function/],
    [{ publish: {} }, /^publish: must have a handler/],
    [{ state: { initial: {}, evolve: { Sent: () => ({}) } } }, /^state\.evolve\.Sent: `events` names no/],
    [{ state: { initial: { at: new Date(0) }, evolve: {} } }, /^state\.initial\.at: is a Date/],
    [{ contract: {} }, /^contract: must have the schema/],
    [{ contract: undefined }, /^contract: must be schemas/],
    [{ contract: { At: z.date() } }, /^contract\.At: cannot be published.*[Dd]ate/],
    [{ contract: { At: z.coerce.number() } }, /^contract\.At: .*coerce/],
    [{ contract: { At: z.object({ a: z.array(z.string().catch("")) }) } }, /^contract\.At: .*catch/],
    [{ contract: { At: z.object({ a: z.string().trim().max(3) }) } }, /^contract\.At: .*overwrite/],
    [{ contract: { At: z.string().toLowerCase().regex(/^a/) } }, /^contract\.At: .*overwrite/],
    [{ contract: { At: z.array(z.number().overwrite((n) => n + 1)) } }, /^contract\.At: .*overwrite/],
    [
      { contract: { At: z.object({ a: z.string() }).transform((value) => value) } },
      /^contract\.At: .*transform/,
    ],
    [{ contract: { At: z.string().pipe(z.string().transform(Number)) } }, /^contract\.At: .*transform/],
    [{ contract: { At: z.preprocess(Number, z.number()) } }, /^contract\.At: cannot be published/],
    [{ contract: { "kilde.mine": z.string() } }, /^contract\.kilde\.mine: .*Kilde's own/],
    [{ contract: { "a\nb": z.string() } }, /control characters/],
    [{ deprecated: "tomorrow" }, /^deprecated: must be an RFC 3339/],
    [{ sunset: "2026-13-01" }, /^sunset: must be an RFC 3339/],
    [{ deprecated: "2026-02-01", sunset: "2026-01-01" }, /^sunset: must not be before/],
    [{ successor: 2 }, /^successor: 2 must be greater than the version, 2/],
    [{ source: { streams: "" } }, /^source/],
    [{ source: { streams: [] } }, /^source/],
    [{ source: { feed: "declarations", version: 2 } }, /^source: /],
    [{ erased: "keep" }, /^erased: must be "erase" or a function/],
    [{ publish: { "kilde.erased": () => null } }, /define in `erased`/],
  ];
  test.each(wrong)("%j is refused", (changes, fault) => {
    const faults = faultsOf(changes);
    expect(faults.filter((text) => fault.test(text))).toHaveLength(1);
  });

  test("is reported with every fault at once, by name", () => {
    const changes = {
      sucessor: 3,
      deprecated: "2026-02-01",
      sunset: "2026-01-01",
      contract: { At: z.date() },
    };
    expect(faultsOf(changes).map((fault) => fault.slice(0, fault.indexOf(":")))).toEqual([
      "sucessor",
      "contract.At",
      "sunset",
    ]);
    expect(() => compileFeed({ ...declarations, name: "X", version: -1 })).toThrow(
      /The feed X\/v-1 is not valid:\n {2}name: .*\n {2}version: /,
    );
  });

  test("may be deprecated by a date or a time", () => {
    expect(faultsOf({ deprecated: "2026-12-31", sunset: "2027-01-01T00:00:00+01:00", successor: 3 })).toEqual(
      [],
    );
  });
});

describe("definitions together", () => {
  const v = (version: number, more: object = {}) => ({ ...declarations, version, ...more });

  test("come after the feeds they are projected from", () => {
    const sorted = compileFeeds([v(3, { source: { feed: "declarations", version: 1 } }), v(1)]);
    expect(sorted.map(({ version }) => version)).toEqual([1, 3]);
  });

  test.each<[AnyFeedDefinition[], RegExp]>([
    [[v(1), v(1)], /declarations\/v1: is defined twice/],
    [[v(2, { source: { feed: "none", version: 1 } })], /no feed \/feeds\/none\/v1/],
    [[v(1, { successor: 2 })], /successor: there is no \/feeds\/declarations\/v2/],
    [
      [
        v(1, { name: "a", source: { feed: "b", version: 1 } }),
        v(1, { name: "b", source: { feed: "a", version: 1 } }),
      ],
      /projected from each other/,
    ],
    [[v(0), v(-1)], /v0: version: .*\n.*v-1: version: /],
  ])("are refused: %#", (definitions, message) => {
    expect(() => compileFeeds(definitions)).toThrow(message);
  });
});

describe("a published event", () => {
  test("is any JSON value, unchanged, in both modes", () => {
    for (const strict of [true, false]) {
      const echo = publishing(z.unknown(), (data) => ({ type: "Out", data }), strict);
      fc.assert(
        fc.property(fc.jsonValue(), (value) => {
          const text = JSON.stringify(value);
          expect(echo(JSON.parse(text)).events).toEqual([{ type: "Out", data: text }]);
        }),
      );
    }
  });

  test("is the value that the handler returned, and not the contract's parsed value", () => {
    const contract = z.object({ a: z.number().default(1), c: z.string() });
    const out = publishing(contract, (data) => ({ type: "Out", data }));
    expect(out({ c: "3" }).events[0]?.data).toBe('{"c":"3"}');
  });

  test.each<[string, z.ZodType, unknown, string]>([
    // zod counts UTF-16 code units, and JSON Schema characters.
    ["too short", z.object({ a: z.string().min(2) }), { a: "😀" }, "/data/a"],
    ["of a pattern", z.object({ a: z.array(z.string().regex(/^.$/i)) }), { a: ["a", "😀\n"] }, "/data/a/1"],
  ])("is described by the schema that is served: %s", (_name, contract, data, pointer) => {
    const out = publishing(contract, () => ({ type: "Out", data }));
    expect(failure(() => out(null)).issues.map((issue) => issue.pointer)).toContain(pointer);
  });

  test("is nothing, one event or several", () => {
    const out = publishing(z.number(), (data) => data);
    expect(out(null).events).toEqual([]);
    expect(publishing(z.number(), () => undefined)(1).events).toEqual([]);
    expect(out([]).events).toEqual([]);
    expect(out({ type: "Out", data: 1 }).events).toEqual([{ type: "Out", data: "1" }]);
    expect(
      out([
        { type: "Out", data: 1 },
        { type: "Out", data: 2 },
      ]).events.map(({ data }) => data),
    ).toEqual(["1", "2"]);
  });

  test("leaves out members that are undefined, where the contract does not need them", () => {
    const out = publishing(z.object({ a: z.string().optional(), b: z.number() }), () => ({
      type: "Out",
      data: { a: undefined, b: 1 },
    }));
    expect(out(null).events[0]?.data).toBe('{"b":1}');
    const needs = publishing(z.object({ a: z.unknown().refine(() => true) }), () => ({
      type: "Out",
      data: { a: undefined },
    }));
    expect(failure(() => needs(null)).issues[0]?.pointer).toBe("/data/a");
  });

  class Money {
    cents = 1;
  }
  const loose = z.any();
  test.each<[string, z.ZodType, unknown, string, RegExp]>([
    ["not a number", z.object({ a: loose }), { a: [1, Number.NaN] }, "/data/a/1", /NaN/],
    ["infinite", loose, Number.POSITIVE_INFINITY, "/data", /Infinity/],
    ["a date", z.object({ at: loose }), { at: new Date(0) }, "/data/at", /a Date/],
    ["a map", loose, new Map(), "/data", /a Map/],
    ["an instance", loose, [new Money()], "/data/0", /a Money/],
    ["a bigint", loose, { "a/b": 1n }, "/data/a~1b", /bigint/],
    ["a function", loose, { toJSON: () => 1 }, "/data/toJSON", /function/],
    ["undefined in a list", loose, [undefined], "/data/0", /undefined/],
    ["a hole", loose, Object.assign([], { length: 1 }), "/data/0", /undefined/],
    ["no data", loose, undefined, "/data", /undefined/],
    ["half a pair", loose, { a: "\ud800" }, "/data/a", /surrogate/],
    ["half a pair in a name", loose, { "\udfff": 1 }, "/data/\udfff", /surrogate/],
    [
      "against the contract",
      z.object({ a: z.object({ b: z.int() }) }),
      { a: { b: 1.5 } },
      "/data/a/b",
      /int/,
    ],
    [
      "not in the contract",
      z.object({ a: z.object({}) }),
      { a: { secret: 1 } },
      "/data/a/secret",
      /not in the contract/,
    ],
    [
      "not in the contract, in a list",
      z.array(z.object({})),
      [{}, { secret: 1 }],
      "/data/1/secret",
      /not in/,
    ],
  ])("must not be %s", (_name, contract, data, pointer, detail) => {
    for (const strict of [true, false]) {
      const error = failure(() => publishing(contract, () => ({ type: "Out", data }), strict)(null));
      expect(error).toMatchObject({ position: 7, subject: "s" });
      expect(error.issues).toHaveLength(1);
      expect(error.issues[0]?.pointer).toBe(pointer);
      expect(error.issues[0]?.detail).toMatch(detail);
      expect(error.message).toContain('publish["In"] of the feed echo/v1');
    }
  });

  test("must not be cyclic", () => {
    const cyclic: Record<string, unknown> = {};
    cyclic["self"] = cyclic;
    expect(failure(() => publishing(loose, () => ({ type: "Out", data: cyclic }))(null)).message).toContain(
      "deeper",
    );
  });

  test.each<[unknown, string, RegExp]>([
    [{ type: "Other", data: 1 }, "", /"Other", which the contract does not name/],
    [[{ type: "Out", data: 1 }, { data: 1 }], "/1", /no type/],
    [{ type: "Out", data: 1, subject: "x" }, "", /"subject"/],
    ["Out", "", /must be an event/],
    [[[]], "/0", /must be an event/],
  ])("must be events: %j", (given, pointer, detail) => {
    const error = failure(() => publishing(loose, () => given)(null));
    expect(error.issues).toEqual([{ pointer, detail: expect.stringMatching(detail) }]);
  });
});

describe("handlers", () => {
  const project = (type: string, data: unknown, state: string | null = null) =>
    compileFeed(declarations).project("declaration-1", sourceEvent(type, data, 5), state);

  test("see data as `events` parses it, and events that do not match halt the feed", () => {
    const error = failure(() => project("Paid", { amount: "12" }));
    expect(error).toMatchObject({ position: 5, subject: "declaration-1" });
    expect(error.issues[0]?.pointer).toBe("/data/amount");
    expect(error.message).toContain("The event 5 of type Paid");
    const async = compileFeed({
      name: "slow",
      version: 1,
      events: { Paid: z.any().refine(async () => true) },
      contract: { Paid: z.any() },
      publish: { Paid: () => null },
    });
    expect(failure(() => async.project("s", sourceEvent("Paid", 1), null)).message).toContain(
      "asynchronously",
    );
  });

  test("fold a state that is JSON text in between", () => {
    const submitted = project("Submitted", { amount: 1 });
    expect(submitted.state).toBe('{"submittedAt":"2026-01-01T00:00:05.000Z"}');
    expect(project("Paid", { amount: 0.125 }, submitted.state)).toEqual({
      state: submitted.state,
      events: [{ type: "DeclarationPaid", data: '{"cents":13,"submittedAt":"2026-01-01T00:00:05.000Z"}' }],
      erased: false,
    });
  });

  test("must fold states that JSON can carry", () => {
    const folding = (evolve: () => unknown) =>
      compileFeed({ ...declarations, state: { initial: {}, evolve: { Paid: evolve } } }).project(
        "s",
        sourceEvent("Paid", { amount: 1 }),
        null,
      );
    expect(failure(() => folding(() => ({ seen: new Set() }))).issues[0]?.pointer).toBe("/seen");
    expect(failure(() => folding(() => undefined)).message).toContain(
      'state.evolve["Paid"] of the feed declarations/v2',
    );
    expect(folding(() => ({ a: undefined, submittedAt: null })).state).toBe('{"submittedAt":null}');
  });

  test("halt the feed when they throw, and the cause is kept", () => {
    const cause = new Error("no such rate");
    const feed = compileFeed({
      ...declarations,
      publish: {
        Paid: () => {
          throw cause;
        },
      },
    });
    const error = failure(() => feed.project("s", sourceEvent("Paid", { amount: 1 }, 9), null));
    expect(error).toMatchObject({ position: 9, subject: "s", cause });
    expect(error.message).toBe('publish["Paid"] of the feed declarations/v2 threw: no such rate');
  });

  test("assign a subject to an event", () => {
    const subjectOf = (subject: () => unknown) => compileFeed({ ...declarations, subject }).subjectOf;
    const event = sourceEvent("Paid", { amount: 1 });
    expect(subjectOf(() => "trip-1")(event)).toBe("trip-1");
    expect(subjectOf(() => null)(event)).toBeNull();
    expect(failure(() => subjectOf(() => "")(event)).message).toContain("must not be empty");
    expect(failure(() => subjectOf(() => 7)(event)).message).toContain("must be a text or null");
    expect(failure(() => subjectOf(() => "\ud800")(event)).message).toContain("lone surrogates");
    expect(subjectOf(() => "trip-1")(sourceEvent("kilde.erased", null))).toBeNull();
    const named = {
      ...declarations,
      events: { ...declarations.events, "kilde.erased": z.null() },
      subject: () => "trip-1",
    };
    expect(compileFeed(named as AnyFeedDefinition).subjectOf(sourceEvent("kilde.erased", null))).toBe(
      "trip-1",
    );
  });

  test("define the events for an erased stream", () => {
    const tombstone = sourceEvent("kilde.erased", null);
    expect(compileFeed(declarations).project("s", tombstone, "{}")).toEqual({
      state: null,
      events: [],
      erased: true,
    });
    const kept = compileFeed({
      ...declarations,
      erased: (_event: unknown, state: { submittedAt: string | null }) => ({
        type: "DeclarationPaid",
        data: { cents: 0, submittedAt: state.submittedAt },
      }),
    });
    expect(kept.project("s", tombstone, '{"submittedAt":"x"}')).toEqual({
      state: null,
      events: [{ type: "DeclarationPaid", data: '{"cents":0,"submittedAt":"x"}' }],
      erased: false,
    });
  });
});
