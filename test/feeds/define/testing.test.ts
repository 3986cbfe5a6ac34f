import { expect, test } from "bun:test";

import { z } from "zod";

import { compileFeed } from "../../../src/feeds/define/compile.ts";
import { defineFeed } from "../../../src/feeds/define/define.ts";
import { createChainedRehearsal, createRehearsal } from "../../../src/feeds/define/rehearse.ts";
import { given } from "../../../src/testing.ts";
import { declarations, sourceEvent } from "../declarations.ts";

test("a test gives events, and states the published ones", () => {
  given(declarations, [
    { type: "Submitted", data: { amount: 12.5 } },
    { type: "Paid", data: { amount: 12.5 }, time: "2026-02-01T00:00:00Z" },
  ]).thenPublishes([
    { type: "DeclarationSubmitted", data: { cents: 1250, note: undefined } },
    {
      type: "DeclarationPaid",
      data: { cents: 1250, submittedAt: "2026-01-01T00:00:00.000Z" },
      subject: "declaration-1",
      version: 2,
      time: "2026-02-01T00:00:00Z",
    },
  ]);
});

test("a test may erase a stream, and give other streams beside it", () => {
  given(declarations, [
    { type: "Paid", data: { amount: 1 }, subject: "declaration-7" },
    { type: "Paid", data: { amount: 2 }, subject: "declaration-8" },
    { type: "Paid", data: { amount: 3 }, subject: "trip-1" },
    { type: "kilde.erased", subject: "declaration-7" },
  ]).thenPublishes([
    { type: "DeclarationPaid", data: { cents: 100, submittedAt: null }, version: 1 },
    { type: "DeclarationPaid", data: { cents: 200, submittedAt: null }, version: 1 },
    { type: "kilde.erased", subject: "declaration-7", version: 2 },
  ]);
});

test("a test may state that nothing is published", () => {
  given(declarations, []).thenPublishes([]);
});

test("a difference is reported, in both directions", () => {
  const paid = given(declarations, [{ type: "Paid", data: { amount: 1 } }]);
  const expected = { type: "DeclarationPaid", data: { cents: 1, submittedAt: null } } as const;
  expect(() => paid.thenPublishes([expected])).toThrow(/cents: 100[^]*cents: 1\b/);
  expect(() => paid.thenPublishes([])).toThrow(/DeclarationPaid/);
  const right = { ...expected, data: { cents: 100, submittedAt: null } };
  expect(() => paid.thenPublishes([right, right])).toThrow();
  expect(() => paid.thenPublishes([{ ...right, version: 2 }])).toThrow(/version/);
  expect(() => paid.thenPublishes([{ ...right, subject: "other" }])).toThrow(/declaration-1/);
});

test("a failure is reported", () => {
  const failing = defineFeed({
    ...declarations,
    publish: { Paid: () => ({ type: "DeclarationPaid", data: { cents: 0.5, submittedAt: null } }) },
  });
  const outcome = given(failing, [{ type: "Paid", data: { amount: 1 } }]);
  outcome.thenFails(/\/data\/cents/);
  expect(() => outcome.thenFails(/other/)).toThrow();
  expect(() => outcome.thenPublishes([])).toThrow(/\/data\/cents/);
  expect(() => given(declarations, []).thenFails(/x/)).toThrow(/did not fail/);
});

test("a rehearsal continues where it was, and reads the events that the feed reads", () => {
  const rehearsal = createRehearsal(compileFeed(declarations));
  expect(rehearsal(sourceEvent("Sent", {}, 1))).toEqual([]);
  expect(rehearsal(sourceEvent("Paid", { amount: 1 }, 2, "trip-1"))).toEqual([]);
  expect(rehearsal(sourceEvent("Submitted", { amount: 1 }, 3))).toMatchObject([
    { version: 1, projectedFrom: 3 },
  ]);
  expect(rehearsal(sourceEvent("Paid", { amount: 1 }, 4))).toEqual([
    {
      type: "DeclarationPaid",
      subject: "declaration-1",
      version: 2,
      time: "2026-01-01T00:00:04.000Z",
      data: { cents: 100, submittedAt: "2026-01-01T00:00:03.000Z" },
      projectedFrom: 4,
    },
  ]);
});

test("a feed of a feed is rehearsed through both", () => {
  const totals = defineFeed({
    name: "totals",
    version: 1,
    source: { feed: "declarations", version: 2 },
    events: { DeclarationPaid: z.object({ cents: z.int() }) },
    contract: { Total: z.object({ cents: z.int() }) },
    subject: () => "all",
    state: {
      initial: { cents: 0 },
      evolve: { DeclarationPaid: (state, { data }) => ({ cents: state.cents + data.cents }) },
    },
    publish: { DeclarationPaid: (_event, { cents }) => ({ type: "Total", data: { cents } }) },
  });
  const rehearsal = createChainedRehearsal([compileFeed(declarations), compileFeed(totals)]);
  const events = [1, 2, 3].map((n) => sourceEvent("Paid", { amount: n }, n, `declaration-${n}`));
  expect(events.flatMap(rehearsal)).toMatchObject([
    { subject: "all", version: 1, data: { cents: 100 } },
    { subject: "all", version: 2, data: { cents: 300 } },
    { subject: "all", version: 3, data: { cents: 600 }, projectedFrom: 3 },
  ]);
});

/* What the types refuse. The functions are not called: that they compile, and where they must not, is the test. */
export function types(): void {
  const events = { In: z.object({ n: z.number() }), Other: z.object({ at: z.string().transform(Number) }) };
  const contract = { Out: z.object({ n: z.number() }), Done: z.object({ at: z.string() }) };

  defineFeed({
    name: "typed",
    version: 1,
    events,
    contract,
    subject: (event) => (event.type === "In" ? `s-${event.data.n.toFixed()}` : null),
    state: {
      initial: { count: 0 },
      evolve: {
        In: (state, event) => ({ count: state.count + event.data.n }),
        // @ts-expect-error -- a state of another shape
        Other: () => ({ counts: 1 }),
      },
    },
    publish: {
      In: (event, state) => [{ type: "Out", data: { n: event.data.n + state.count } }],
      // What a handler sees is what the schema makes of it.
      Other: (event) => ({ type: "Done", data: { at: event.data.at.toFixed(2) } }),
    },
  });

  defineFeed({
    name: "typed",
    version: 1,
    events,
    contract,
    publish: {
      // @ts-expect-error -- a type that the contract does not name
      In: () => ({ type: "Outt", data: { n: 1 } }),
      // @ts-expect-error -- data of another type's shape
      Other: () => ({ type: "Out", data: { at: "" } }),
    },
  });

  defineFeed({
    name: "typed",
    version: 1,
    events,
    contract,
    publish: {
      // @ts-expect-error -- no such member of the event's data
      In: (event) => ({ type: "Out", data: { n: event.data.m } }),
      // @ts-expect-error -- no such event
      Inn: () => null,
    },
  });

  // @ts-expect-error -- a handler must not be asynchronous
  defineFeed({ name: "typed", version: 1, events, contract, publish: { In: async () => null } });
  // @ts-expect-error -- no such event was given
  given(declarations, [{ type: "Sent", data: {} }]);
  // @ts-expect-error -- data is not of the event's shape
  given(declarations, [{ type: "Paid", data: { amount: "1" } }]);
  // @ts-expect-error -- the contract has no such type
  given(declarations, []).thenPublishes([{ type: "Paid", data: { amount: 1 } }]);
  // @ts-expect-error -- data is not of the contract's shape
  given(declarations, []).thenPublishes([{ type: "DeclarationPaid", data: { cents: 1 } }]);
}
