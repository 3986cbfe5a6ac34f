import { expect, test } from "bun:test";

import type { Clock } from "../../../src/core/clock.ts";
import { DEFAULT_LIMITS } from "../../../src/core/limits.ts";
import { addSubscription } from "../../../src/webhooks/subscriptions/change.ts";
import { readSubscription } from "../../../src/webhooks/subscriptions/record.ts";
import { deliverInSlices } from "../../../src/webhooks/dispatch/slice.ts";
import type { SubscriptionConfig } from "../../../src/webhooks/subscriptions/subscription.ts";
import { openLogReader } from "../../../src/log/read/reader.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import { openApp } from "../../support/app.ts";
import { newDatabase } from "../../support/new-database.ts";
import { subscriptionRow } from "../../webhooks/subscription-row.ts";

/* Slices of a worker, on a clock that runs faster than time, so that slow receivers cost the test little. */

const SPEED = 10;

const fastClock: Clock = {
  now: () => Math.floor(systemClock.monotonic() * SPEED),
  monotonic: () => systemClock.monotonic() * SPEED,
  sleep: (ms, signal) => systemClock.sleep(ms / SPEED, signal),
  yield: () => systemClock.yield(),
};

/** How long a slow subject takes, beside others that do not. */
const SLOW_MS = 700;

async function openSlices({
  answerMs,
  slowSubject = null,
  config = {},
}: {
  answerMs: number;
  slowSubject?: string | null;
  config?: Partial<SubscriptionConfig>;
}) {
  const database = await newDatabase();
  const app = await openApp({ database });
  await addSubscription(app.store.writer, subscriptionRow("sub_0", { config }));
  const taken: { readonly id: string; readonly atMs: number }[] = [];
  return {
    app,
    taken,
    cursor: async () => (await readSubscription(database, "sub_0"))?.cursor,
    /** One invocation: a slice of so many milliseconds. */
    async invoke(ms: number) {
      const ended = new AbortController();
      const deadline = fastClock.monotonic() + ms;
      void fastClock.sleep(ms, ended.signal).then(() => ended.abort());
      await deliverInSlices({
        database,
        writer: app.store.writer,
        clock: fastClock,
        chance: () => Math.random(),
        holder: crypto.randomUUID(),
        async send({ body }) {
          const { id, subject } = JSON.parse(body ?? "") as { id: string; subject: string };
          taken.push({ id, atMs: fastClock.monotonic() });
          const durationMs = subject === slowSubject ? SLOW_MS : answerMs;
          await fastClock.sleep(durationMs);
          return { kind: "answered", status: 204, header: () => null, durationMs };
        },
        secretsOf: () => Promise.resolve({ sign: () => "v1,none", headers: {} }),
        readerOf: (log) =>
          openLogReader({ database, clock: fastClock, limits: DEFAULT_LIMITS, pollIntervalMs: 250 }, log),
        blockedSubjects: 1_000,
        mostRetryAfterMs: 1_000,
        onEvent: () => {},
      }).run({ deadline, signal: ended.signal });
      ended.abort();
    },
  };
}

test("a receiver that takes longer to answer than a turn lasts gets each event once", async () => {
  const { app, taken, cursor, invoke } = await openSlices({ answerMs: 8_000 });
  await app.append("a", { type: "A", data: 1 });
  await app.append("a", { type: "A", data: 2 });
  await invoke(20_000);
  await invoke(20_000);
  expect(taken.map(({ id }) => id)).toEqual(["1", "2"]);
  expect(await cursor()).toBe(2);
  await app.close();
});

test("what a slow subject still waits for has nothing of others delivered again at the end of each turn", async () => {
  const { app, taken, cursor, invoke } = await openSlices({ answerMs: 10, slowSubject: "slow" });
  for (let n = 0; n < 8; n += 1) await app.append("slow", { type: "A", data: n });
  for (let n = 0; n < 40; n += 1) await app.append(`s-${n % 20}`, { type: "A", data: n });
  await invoke(12_000);
  await invoke(12_000);
  expect(new Set(taken.map(({ id }) => id)).size).toBe(48);
  expect(taken.length).toBe(48);
  expect(await cursor()).toBe(48);
  await app.close();
});

test("a slice that is short, since many tenants share the time, delivers too", async () => {
  const { app, taken, cursor, invoke } = await openSlices({ answerMs: 10 });
  await app.append("a", { type: "A", data: 1 });
  await invoke(1_500);
  expect(taken.map(({ id }) => id)).toEqual(["1"]);
  expect(await cursor()).toBe(1);
  await app.close();
});

test("an endpoint gets no more requests a minute than it allowed, however many turns and slices there are", async () => {
  const { app, taken, invoke } = await openSlices({ answerMs: 10, config: { ratePerMinute: 40 } });
  for (let n = 0; n < 20; n += 1) await app.append(`s-${n}`, { type: "A", data: n });
  await invoke(15_000);
  await invoke(15_000);
  const gaps = taken.slice(1).map(({ atMs }, index) => atMs - (taken[index]?.atMs ?? 0));
  expect(gaps.length).toBeGreaterThan(0);
  expect(Math.min(...gaps)).toBeGreaterThan(1_300);
  await app.close();
});
