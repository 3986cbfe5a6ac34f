import { describe, expect, test } from "bun:test";

import fc from "fast-check";

import { examine } from "../../../src/doctor/doctor.ts";
import { openDatabase } from "../../../src/storage/open.ts";
import { jsonPost, type WireEvent } from "../../support/app.ts";
import { type Fate, startFaultyProxy } from "../../support/faulty-proxy.ts";
import { hasSqld, startSqld } from "../../support/sqld.ts";
import { type RunningWorker, startWorker, WORKER_FEEDS } from "../../support/worker.ts";

const TIMEOUT_MS = 600_000;

const EVENTS = 3_000;
const STREAMS = 40;
/** Rounds in which slices are cut, before the rest is projected in peace. */
const ROUNDS = 12;
/** Slices until everything must be projected: each makes one step at least, of 100 events at least. */
const MOST_SLICES = 200;

async function all(worker: RunningWorker, path: string): Promise<WireEvent[]> {
  const response = await worker.fetch(`${path}?limit=10000`);
  if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
  return (await response.json()) as WireEvent[];
}

/** Computes the events that the feed of sums must have for the appended events. */
function sumsOf(events: readonly WireEvent[]): unknown[] {
  const sums = new Map<string, { sum: number; version: number }>();
  return events.map(({ subject, data }) => {
    const { n } = data as { n: number };
    const { sum = 0, version = 0 } = sums.get(subject) ?? {};
    sums.set(subject, { sum: sum + n, version: version + 1 });
    return { subject, sequence: version + 1, data: { n, sum: sum + n } };
  });
}

const comparable = (events: readonly WireEvent[]) =>
  events.map(({ subject, sequence, data }) => ({ subject, sequence: Number(sequence), data }));

/**
 * Two workers project while others append: calls of the database fail before or after they are done, slices run out of
 * calls in the midst of a batch, and whole workers are killed. Then the rest is projected, and nothing may be missing,
 * twice, or in another order.
 */
async function checkCuts(chance: (below: number) => number): Promise<void> {
  const sqld = await startSqld();
  const database = openDatabase({ url: sqld.url });
  let faulty = true;
  const fates: readonly Fate[] = ["lost", "unanswered"];
  const proxy = startFaultyProxy(sqld.url, () =>
    faulty && chance(12) === 0 ? (fates[chance(2)] ?? "lost") : "through",
  );
  const calm = await startWorker({
    databaseUrl: sqld.url,
    config: WORKER_FEEDS,
    options: { afterRequestMs: 0, databaseCalls: null },
  });
  const start = () =>
    startWorker({
      databaseUrl: proxy.url,
      config: WORKER_FEEDS,
      env: { KILDE_LOG_LEVEL: "silent" },
      options: { databaseCalls: 16 + chance(3) * 12 },
    });
  let appended = 0;
  const append = async (count: number) => {
    const events = Array.from({ length: count }, (_, index) => ({
      type: "Added",
      data: { n: appended + index },
    }));
    const response = await calm.fetch(`/streams/count-${chance(STREAMS)}`, jsonPost({ events }));
    expect(response.status).toBe(201);
    appended += count;
  };

  expect((await calm.fetch("/ready")).status).toBe(200);

  const workers = [await start(), await start()];
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      // Expires the leases of killed workers.
      await database.write([{ sql: "update leases set expires = 0", args: [] }]);
      const slices = workers.map((worker) => worker.scheduled().catch(() => {}));
      for (let n = 0; n < 5; n += 1) await append(EVENTS / ROUNDS / 5);
      const subject = `count-${chance(STREAMS)}`;
      await calm.fetch(`/feeds/sums/v1/subjects/${subject}`);
      const killed = chance(4);
      const victim = workers[killed];
      if (victim !== undefined) {
        await Bun.sleep(chance(30));
        await victim.stop();
        workers[killed] = await start();
      }
      await Promise.all(slices);
    }
    faulty = false;
    await database.write([{ sql: "update leases set expires = 0", args: [] }]);
    const source = await all(calm, "/events");
    expect(source).toHaveLength(EVENTS);
    const expected = sumsOf(source);
    let copies = await all(calm, "/feeds/copies/v1");
    for (let n = 0; n < MOST_SLICES && copies.length < EVENTS; n += 1) {
      await Promise.all(workers.map((worker) => worker.scheduled()));
      copies = await all(calm, "/feeds/copies/v1");
    }
    expect(copies, "the slices build the whole feed").toHaveLength(EVENTS);
    // Hydrated subjects are ahead of others: the order is each subject's own.
    const bySubject = (events: readonly { subject: string }[]) =>
      Map.groupBy(events, ({ subject }) => subject);
    expect(bySubject(comparable(await all(calm, "/feeds/sums/v1")) as { subject: string }[])).toEqual(
      bySubject(expected as { subject: string }[]),
    );
    expect(bySubject(comparable(copies) as { subject: string }[])).toEqual(
      bySubject(
        (expected as { subject: string; sequence: number; data: { sum: number } }[]).map((event) => ({
          ...event,
          data: { sum: event.data.sum },
        })),
      ),
    );
    expect(await examine(database)).toEqual([]);
  } finally {
    faulty = false;
    for (const worker of [...workers, calm]) await worker.stop();
    await proxy.stop();
    database.close();
    await sqld.stop();
  }
}

describe.skipIf(!hasSqld)("workers of one database", () => {
  test(
    "build feeds in slices that are cut anywhere, and repeat and lose nothing",
    () =>
      fc.assert(
        fc.asyncProperty(fc.infiniteStream(fc.nat(1_000_000)), (numbers) =>
          checkCuts((below) => (numbers.next().value ?? 0) % below),
        ),
        { numRuns: 3, endOnFailure: true },
      ),
    TIMEOUT_MS,
  );
});
