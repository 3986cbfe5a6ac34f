import { expect, test } from "bun:test";
import fc from "fast-check";

import { createKeyGrants } from "../../src/access/key-grants.ts";
import { needOf } from "../../src/access/need.ts";
import { forEachDeployment } from "../support/deployments.ts";
import { created, movableClock, openTestAccess } from "./opened.ts";

const NAMES = ["a", "b"];
const SECOND_MS = 1_000;
const NEED = needOf("read", "/events");

/** A step of a schedule: the keys are those that the steps before created, by their number. */
const step = fc.oneof(
  fc.record({
    kind: fc.constant("create" as const),
    name: fc.constantFrom(...NAMES),
    grants: fc.constantFrom(["read:/events"], ["read:/feeds"], ["admin"]),
    lifeMs: fc.constantFrom(null, 700, 3_000),
  }),
  fc.record({ kind: fc.constant("revoke" as const), key: fc.nat({ max: 9 }) }),
  fc.record({
    kind: fc.constant("rotate" as const),
    key: fc.nat({ max: 9 }),
    overlapMs: fc.constantFrom(0, 1_500),
  }),
  fc.record({ kind: fc.constant("pass" as const), ms: fc.constantFrom(1, 400, 1_100) }),
  fc.record({ kind: fc.constant("ask" as const), name: fc.constantFrom(...NAMES) }),
);

interface ModelKey {
  readonly id: string;
  readonly name: string;
  readonly grants: readonly string[];
  readonly bornMs: number;
  endsMs: number;
  isLatest: boolean;
}

forEachDeployment(["file", "sqld"], (deployment) => {
  test(`work of a name is allowed while a valid key grants it, and for a second after that at most (${deployment.name})`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        const opened = await deployment.open();
        const time = movableClock();
        const database = opened.database();
        const elsewhere = opened.database();
        const access = await openTestAccess({ database, clock: time.clock, runtime: "worker" });
        const grants = createKeyGrants(elsewhere, time.clock);
        const keys: ModelKey[] = [];
        const isAllowed = (name: string, atMs: number) =>
          keys.some(
            (key) =>
              key.name === name &&
              key.grants.some((grant) => grant !== "read:/feeds") &&
              key.bornMs <= atMs &&
              atMs < key.endsMs,
          );
        try {
          for (const one of steps) {
            const nowMs = time.clock.now();
            if (one.kind === "pass") {
              await time.pass(one.ms);
            } else if (one.kind === "create") {
              const { name, grants: given, lifeMs } = one;
              if (keys.some((key) => key.name === name && key.isLatest && nowMs < key.endsMs)) continue;
              const expires = lifeMs === null ? null : nowMs + lifeMs;
              const { key } = await created(access, { name, grants: given, expires, consumer: null });
              const endsMs = expires ?? Infinity;
              keys.push({ id: key.id, name, grants: given, bornMs: nowMs, endsMs, isLatest: true });
            } else if (one.kind === "revoke") {
              const key = keys[one.key];
              if (key === undefined) continue;
              await access.revoke(key.id);
              key.endsMs = Math.min(key.endsMs, nowMs);
            } else if (one.kind === "rotate") {
              const key = keys[one.key];
              if (key === undefined) continue;
              const rotation = await access.rotate(key.id, { overlapMs: one.overlapMs });
              if (rotation.outcome !== "rotated") continue;
              const { id, expires } = rotation.key;
              keys.push({ ...key, id, bornMs: nowMs, endsMs: expires ?? Infinity });
              key.endsMs = Math.min(key.endsMs, nowMs + one.overlapMs);
              key.isLatest = false;
            } else {
              const answer = await grants.allow(one.name, NEED);
              if (isAllowed(one.name, nowMs)) expect(answer).toBe(true);
              else if (!hadKeySince(keys, one.name, nowMs - SECOND_MS)) expect(answer).toBe(false);
            }
          }
        } finally {
          await access.close();
          database.close();
          elsewhere.close();
          await opened.dispose();
        }
      }),
      { numRuns: Number(process.env["PROPERTY_RUNS"] ?? 40) },
    );
  });
});

/** Whether a key of the name was valid at some time since, also for an instant: the clock stands still between steps. */
function hadKeySince(keys: readonly ModelKey[], name: string, sinceMs: number): boolean {
  return keys.some((key) => key.name === name && key.endsMs >= sinceMs);
}
