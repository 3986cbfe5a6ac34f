import { expect, test } from "bun:test";
import fc from "fast-check";

import { detachedLane, type Lane, rowOf } from "../../../src/webhooks/dispatch/lane.ts";
import { createRestingLanes } from "../../../src/webhooks/dispatch/resting-lanes.ts";
import type { StoredLane } from "../../../src/webhooks/subscriptions/subscription.ts";

/*
 * Resting lanes against a model that holds them as objects: in any order of additions, wake-ups and saves, a lane wakes
 * unchanged and on time, and its row is written unless exactly that row was stored.
 */

const count = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const orNull = <Value>(values: fc.Arbitrary<Value>) => fc.option(values, { nil: null });

const rows: fc.Arbitrary<Omit<StoredLane, "subject">> = fc.record({
  next: count,
  stop: orNull(count),
  resume: orNull(count),
  frozen: orNull(count),
  attempts: fc.integer({ min: 0, max: 1_000_000 }),
  due: orNull(fc.integer({ min: 0, max: 1_000 })),
  wait: orNull(count),
  error: orNull(fc.constantFrom("status 500", "timeout")),
  since: orNull(
    fc
      .date({ min: new Date(0), max: new Date("9999-12-31"), noInvalidDate: true })
      .map((d) => d.toISOString()),
  ),
  ahead: fc.boolean(),
});

const subjects = fc.integer({ min: 1, max: 100 });

const steps = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("add"),
      subject: subjects,
      row: rows,
      isStored: fc.boolean(),
      mayHaveRow: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("wake"), subject: subjects }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("due"), now: fc.integer({ min: 0, max: 1_000 }) }) },
  { weight: 1, arbitrary: fc.constant({ kind: "write" } as const) },
  { weight: 1, arbitrary: fc.constant({ kind: "acknowledge" } as const) },
);

/** The observable state of a lane that woke. */
const seen = (lane: Lane | null) =>
  lane === null
    ? null
    : {
        row: rowOf(lane),
        isStored: lane.changes === lane.kept,
        mayHaveRow: lane.mayHaveRow,
        apart: lane.detached,
      };

const bySubject = (a: StoredLane, b: StoredLane) => a.subject - b.subject;

test("resting lanes: each wakes unchanged, when it is due, and unsaved until its row is stored", () => {
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 400 }), (all) => {
      const resting = createRestingLanes();
      const model = new Map<number, { row: StoredLane; isStored: boolean; mayHaveRow: boolean }>();
      const leave = (subject: number) => {
        const found = model.get(subject);
        model.delete(subject);
        return found === undefined ? null : { ...found, apart: true };
      };
      const soonest = () =>
        Math.min(
          Number.POSITIVE_INFINITY,
          ...Array.from(model.values(), ({ row: { due } }) => due ?? Infinity),
        );
      let written: {
        acknowledge(): void;
        entries: readonly { row: StoredLane; isStored: boolean }[];
      } | null = null;
      for (const step of all) {
        if (step.kind === "add") {
          const { subject, isStored, mayHaveRow } = step;
          if (model.has(subject)) continue;
          const row = { subject, ...step.row };
          resting.add(detachedLane(row, { isStored, mayHaveRow }));
          model.set(subject, { row, isStored, mayHaveRow });
        } else if (step.kind === "wake") {
          expect(seen(resting.wake(step.subject))).toEqual(leave(step.subject));
        } else if (step.kind === "due") {
          const isDue = soonest() <= step.now;
          const due = soonest();
          const lane = resting.nextDue(step.now);
          expect(lane !== null).toBe(isDue);
          if (lane === null) continue;
          expect(lane.due).toBe(due);
          expect(seen(lane)).toEqual(leave(lane.subject));
        } else if (step.kind === "write") {
          const entries = Array.from(model.values()).filter(({ isStored }) => !isStored);
          for (const entry of entries) entry.mayHaveRow = true;
          const unsaved = resting.unsaved();
          expect(unsaved.rows.toSorted(bySubject)).toEqual(entries.map(({ row }) => row).toSorted(bySubject));
          written = { acknowledge: unsaved.acknowledge, entries };
        } else {
          written?.acknowledge();
          for (const entry of written?.entries ?? []) entry.isStored = true;
          written = null;
        }
        expect(resting.size()).toBe(model.size);
        expect(resting.soonest()).toBe(soonest());
      }
      for (const subject of Array.from(model.keys())) {
        expect(resting.has(subject)).toBe(true);
        expect(seen(resting.wake(subject))).toEqual(leave(subject));
        expect(resting.has(subject)).toBe(false);
      }
    }),
  );
});
