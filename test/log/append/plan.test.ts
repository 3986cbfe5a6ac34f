import { describe, expect, test } from "bun:test";
import fc from "fast-check";

import type { SubjectState } from "../../../src/log/append/placement.ts";
import { type FirstAnswer, type Plan, planGroup, type Transaction } from "../../../src/log/append/plan.ts";

const ABSENT: SubjectState = { stored: false, id: null, version: 0, erased: false };
const NAMES = ["a", "b", "c"];

const part = fc.record({
  subject: fc.constantFrom(...NAMES),
  expectedVersion: fc.constantFrom("any", "any", "exists", 0, 1, 2, 3),
  events: fc.array(fc.constant({ type: "t", time: null, data: null, extensions: null }), {
    minLength: 1,
    maxLength: 2,
  }),
  erases: fc.boolean(),
}) as fc.Arbitrary<Transaction["parts"][number]>;
const transaction: fc.Arbitrary<Transaction> = fc.record({
  parts: fc.array(part, { minLength: 1, maxLength: 4 }),
  idempotency: fc.option(
    fc.record({ key: fc.constantFrom("k", "l"), fingerprint: fc.constantFrom("f", "g") }),
    { freq: 2 },
  ),
});
const stored = fc.constantFrom<SubjectState>(
  ABSENT,
  { stored: true, id: 7, version: 1, erased: false },
  { stored: true, id: 8, version: 2, erased: true },
);

const IDENTITY = "0123456789abcdef";

/** Plans each transaction alone, on the state that the previous ones left. */
function oneByOne(transactions: readonly Transaction[], before: ReadonlyMap<string, SubjectState>) {
  const states = new Map(before);
  const answers = new Map<string, FirstAnswer>();
  const plans: Plan[] = [];
  let position = 0;
  for (const each of transactions) {
    const plan = planGroup(
      [each],
      (name) => states.get(name) ?? ABSENT,
      (key) => answers.get(key),
      IDENTITY,
    );
    plans.push(plan);
    for (const [name, state] of plan.after) states.set(name, state);
    const [decision] = plan.decisions;
    if (decision?.kind === "append" && each.idempotency !== null) {
      const results = decision.results.map((result) => ({ ...result, position: result.position + position }));
      answers.set(each.idempotency.key, { fingerprint: each.idempotency.fingerprint, results });
    }
    position += plan.events.length;
  }
  return { plans, states };
}

describe("a plan of a group", () => {
  test("equals the plans of its transactions one after the other", () => {
    const seen = new Set<string>();
    const property = fc.property(
      fc.array(transaction, { maxLength: 6 }),
      fc.tuple(stored, stored, stored),
      (transactions, found) => {
        const before = new Map(NAMES.map((name, index) => [name, found[index] ?? ABSENT]));
        const group = planGroup(
          transactions,
          (name) => before.get(name) ?? ABSENT,
          () => undefined,
          IDENTITY,
        );
        const { plans, states } = oneByOne(transactions, before);

        let first = 0;
        for (const [index, { decisions, events, after, tombstones }] of plans.entries()) {
          const [alone] = decisions;
          if (alone?.kind !== "append") expect([...events, ...after, ...tombstones]).toEqual([]);
          const decision = group.decisions[index];
          seen.add(decision?.kind ?? "none");
          if (alone?.kind === "append") {
            const results = alone.results.map((each) => ({ ...each, position: each.position + first }));
            expect(decision).toEqual({ kind: "append", results });
          } else if (alone?.kind === "replay") {
            if (decision?.kind !== "same-as")
              throw new Error(`${decision?.kind} instead of the first answer`);
            const original = group.decisions[decision.index];
            expect(original).toEqual({ kind: "append", results: alone.answer.results });
          } else expect(decision).toEqual(alone as never);
          first += events.length;
        }
        expect(group.events).toEqual(plans.flatMap(({ events }) => events));
        expect(group.tombstones).toEqual(plans.flatMap(({ tombstones }) => tombstones));

        const changed = NAMES.filter((name) => states.get(name) !== before.get(name));
        expect(Object.fromEntries(group.after)).toEqual(
          Object.fromEntries(changed.map((name) => [name, states.get(name) ?? ABSENT])),
        );
        expect(group.newSubjects.toSorted()).toEqual(changed.filter((name) => before.get(name)?.id === null));
        const wereErased = new Set([
          ...NAMES.filter((name) => before.get(name)?.erased),
          ...group.tombstones.map(({ subject }) => subject),
        ]);
        const revived = changed.filter((name) => wereErased.has(name) && !states.get(name)?.erased);
        expect(group.revived.toSorted()).toEqual(revived);
      },
    );
    fc.assert(property, { numRuns: 5_000 });
    expect(seen).toEqual(new Set(["append", "refuse", "same-as"]));
  });
});
