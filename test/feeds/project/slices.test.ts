import { afterEach, beforeEach, expect, test } from "bun:test";

import type { Clock } from "../../../src/core/clock.ts";
import type { Feed } from "../../../src/feeds/feed.ts";
import { hydrate } from "../../../src/feeds/project/hydrate.ts";
import { releaseLease, takeLease } from "../../../src/storage/lease.ts";
import { registerFeeds } from "../../../src/feeds/lifecycle/register.ts";
import { readFeed } from "../../../src/feeds/record.ts";
import type { RunEvent } from "../../../src/feeds/project/run.ts";
import { projectInSlices, type SliceDeps } from "../../../src/feeds/project/slice.ts";
import type { Database } from "../../../src/storage/database.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import { openApp, type TestApp } from "../../support/app.ts";
import { counted, sketch } from "../../support/feeds.ts";
import { newDatabase } from "../../support/new-database.ts";
import { runsOn } from "../../support/tested-on.ts";

runsOn(["memory", "sqld"]);

const SLICE_MS = 60_000;

let database: Database;
let app: TestApp;
let reported: RunEvent[];
beforeEach(async () => {
  database = await newDatabase();
  app = await openApp({ database });
  reported = [];
});
afterEach(() => app.close());

/** Of a release whose contract is the first. */
const RANK = 1;

const stateful = sketch({ name: "stateful", project: counted });

/** The feed's work, and the feed as the database has it. */
async function workOn(feed: Feed, options: Partial<SliceDeps> = {}) {
  const [registered] = await registerFeeds(database, systemClock, [feed]);
  if (registered === undefined) throw new Error("the feed was not registered");
  const work = projectInSlices(
    {
      database,
      writer: app.store.writer,
      clock: systemClock,
      holder: "one",
      retry: false,
      onPublished: () => {},
      onEvent: (event) => reported.push(event),
      ...options,
    },
    registered,
  );
  const slice = (signal = new AbortController().signal) =>
    work.run({ deadline: systemClock.monotonic() + SLICE_MS, signal });
  return { work, slice, record: () => readFeed(database, registered.log) };
}

async function append(count: number): Promise<void> {
  await app.append("s-1", ...Array.from({ length: count }, (_, n) => ({ type: "A", data: n })));
}

test("a slice projects all events, reports when the feed is live, and then has nothing to do", async () => {
  await append(250);
  const { slice, record } = await workOn(stateful, { batchEvents: 50 });
  expect(await slice()).toBe("progressed");
  expect(await record()).toMatchObject({ status: "live", cursor: 250, head: 250 });
  expect(reported).toEqual([{ kind: "live", feed: stateful.path }]);
  expect(await slice()).toBe("idle");
});

test("the next slice does not read skipped events again", async () => {
  const { slice, record } = await workOn(sketch({ name: "narrow", source: { types: ["B"] } }));
  await slice();
  await append(10);
  await slice();
  expect(await record()).toMatchObject({ status: "live", cursor: 10, head: 0 });
});

test("a slice that is over stops after its current batch, and the next continues", async () => {
  await append(200);
  let now = 0;
  const clock: Clock = { ...systemClock, monotonic: () => (now += 1) };
  const { work, record } = await workOn(stateful, { clock, batchEvents: 10 });
  const cursors: number[] = [];
  while (((await record())?.cursor ?? 0) < 200) {
    await work.run({ deadline: now + 8, signal: new AbortController().signal });
    cursors.push((await record())?.cursor ?? 0);
  }
  expect(cursors.length).toBeGreaterThan(5);
  expect(cursors).toEqual(cursors.toSorted((a, b) => a - b));
  expect((await record())?.head).toBe(200);
});

/** Runs slices that end in their first step, and returns the feed's cursor after each. */
async function cursorsOfShortSlices(feed: Feed, count: number): Promise<number[]> {
  let cut = new AbortController();
  let left = 0;
  const { slice, record } = await workOn(feed, {
    batchEvents: 10,
    database: {
      ...database,
      read(statement) {
        left -= 1;
        if (left === 0) cut.abort();
        return database.read(statement);
      },
    },
  });
  const cursors: number[] = [];
  for (let n = 0; n < count; n += 1) {
    cut = new AbortController();
    left = 6;
    await slice(cut.signal);
    cursors.push((await record())?.cursor ?? 0);
  }
  return cursors;
}

test("short slices progress also through events for which the feed publishes nothing", async () => {
  await append(100);
  const silent = sketch({ name: "silent", project: () => ({ events: [] }) });
  const cursors = await cursorsOfShortSlices(silent, 10);
  expect(cursors).toEqual(cursors.map((_, n) => 10 * (n + 1)));
});

test("short slices progress also through the events of a subject that was hydrated before", async () => {
  await append(100);
  const [registered] = await registerFeeds(database, systemClock, [stateful]);
  if (registered === undefined) throw new Error("the feed was not registered");
  const deps = { database, writer: app.store.writer, clock: systemClock, onPublished: () => {} };
  await hydrate(deps, registered, "s-1");
  const cursors = await cursorsOfShortSlices(stateful, 10);
  expect(cursors).toEqual(cursors.map((_, n) => 10 * (n + 1)));
});

test("a slice that may not begin does nothing", async () => {
  await append(1);
  const { slice, record } = await workOn(stateful);
  expect(await slice(AbortSignal.abort())).toBe("idle");
  expect(await record()).toMatchObject({ cursor: 0 });
});

test("a feed that another holds is left to it", async () => {
  await append(1);
  const { slice, record } = await workOn(stateful);
  await takeLease(app.store.writer, stateful.path, "another", { rank: RANK });
  expect(await slice()).toBe("idle");
  expect(await record()).toMatchObject({ cursor: 0 });
});

test("the holder of a lease sees events that are appended while it holds the lease", async () => {
  await append(1);
  const { writer } = app.store;
  let late = true;
  const { slice, record } = await workOn(stateful, {
    writer: {
      ...writer,
      async write(statements) {
        const releases = statements[0]?.sql.startsWith("update leases set expires = 0") === true;
        if (releases && late) {
          late = false;
          await append(1);
          // Who appended finds the feed held, and leaves it.
          const { slice: another } = await workOn(stateful, { holder: "another" });
          expect(await another()).toBe("idle");
        }
        return writer.write(statements);
      },
    },
  });
  await slice();
  expect(late).toBe(false);
  expect(await record()).toMatchObject({ cursor: 2, head: 2 });
});

test("the lease is free after a slice, whatever its outcome", async () => {
  await append(1);
  const { slice } = await workOn(stateful);
  await slice();
  expect(await takeLease(app.store.writer, stateful.path, "another")).not.toBeNull();
});

test("a halted feed counts as tried again when it was, and not while another holds the lease", async () => {
  await app.append("s-1", { type: "A" }, { type: "Bad" });
  await (await workOn(stateful)).slice();
  let retried = 0;
  const { slice } = await workOn(stateful, { retry: true, onRetried: () => (retried += 1) });
  const lease = await takeLease(app.store.writer, stateful.path, "another", { rank: RANK });
  expect(await slice()).toBe("idle");
  expect(retried).toBe(0);
  if (lease !== null) await releaseLease(app.store.writer, lease);
  await slice();
  await slice();
  expect(retried).toBe(1);
});

test("a slice with `retry` tries a halted feed again, and other slices leave it", async () => {
  await app.append("s-1", { type: "A" }, { type: "Bad" });
  const { slice, record } = await workOn(stateful);
  await slice();
  expect(await record()).toMatchObject({ status: "halted", cursor: 1 });
  expect(reported.map(({ kind }) => kind)).toEqual(["halted"]);
  expect(await slice()).toBe("idle");
  expect(reported).toHaveLength(1);

  const mended = sketch({ name: "stateful", project: counted });
  const { slice: again, record: after } = await workOn(
    {
      ...mended,
      project: (subject, event, state) => mended.project(subject, { ...event, type: "A" }, state),
    },
    { retry: true },
  );
  expect(await again()).toBe("progressed");
  expect(await after()).toMatchObject({ status: "live", cursor: 2, head: 2 });
});
