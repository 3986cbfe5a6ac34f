import { afterEach, beforeEach, expect, test } from "bun:test";

import type { Clock } from "../../src/core/clock.ts";
import { systemClock } from "../../src/core/system-clock.ts";
import { jsonPost, openApp, type TestApp } from "../support/app.ts";
import { TESTED_ON } from "../support/tested-on.ts";

/* A store whose wall clock is corrected, by hours or days and in both directions. */

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const KEYS_SECONDS = 600;

let aheadMs: number;
let app: TestApp;
const clock: Clock = { ...systemClock, now: () => Date.now() + aheadMs };

beforeEach(async () => {
  aheadMs = 0;
  app = await openApp({ clock, limits: { idempotencySeconds: KEYS_SECONDS } });
});
afterEach(() => app.close());

const append = async (stream: string, key: string) => {
  const body = { events: [{ type: "Counted" }] };
  const response = await app.fetch(`/streams/${stream}`, jsonPost(body, { "idempotency-key": key }));
  return { status: response.status, replayed: response.headers.get("idempotency-replayed") };
};

// Its clock is the runtime's own.
const inThisProcess = test.skipIf(TESTED_ON === "worker");

inThisProcess.each([-30 * DAY_MS, -2 * HOUR_MS, 2 * HOUR_MS, 30 * DAY_MS])(
  "a key is remembered when the clock is corrected by %d ms, and events keep their order in time",
  async (stepMs) => {
    const first = await append("a", "key");
    expect(first.status).toBe(201);
    aheadMs += stepMs;
    // Each append with a key forgets old ones.
    for (let n = 0; n < 3; n += 1) expect((await append("b", `other-${n}`)).status).toBe(201);
    aheadMs -= stepMs;
    expect((await append("b", "another")).status).toBe(201);
    aheadMs += stepMs;
    expect((await append("a", "key")).status).toBe(first.status);
    const events = await app.get<{ subject: string; time: string }[]>("/events");
    expect(events.filter(({ subject }) => subject === "a")).toHaveLength(1);
    const times = events.map(({ time }) => Date.parse(time));
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  },
);

inThisProcess.each([-2 * HOUR_MS, 2 * HOUR_MS])(
  "a consumer is seen where it is, whatever the clock was before it was corrected by %d ms",
  async (stepMs) => {
    await app.append("a", { type: "A" }, { type: "A" }, { type: "A" });
    const read = async (upTo: number) => {
      await app.get(`/events?limit=${upTo}`, { "kilde-consumer": "reader" });
      return app.get<{ sent: number; seen: string }>("/events/consumers/reader");
    };
    expect(await read(1)).toMatchObject({ sent: 1 });
    aheadMs += stepMs;
    const { sent, seen } = await read(2);
    expect(sent).toBe(2);
    if (stepMs < 0) expect(Math.abs(Date.parse(seen) - clock.now())).toBeLessThan(60_000);
    aheadMs -= stepMs;
    expect(await read(3)).toMatchObject({ sent: 3 });
  },
);
