import { expect, test } from "bun:test";

import type { Clock } from "../../../src/core/clock.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import { ADVANCE_FEED } from "../../../src/feeds/project/write.ts";
import type { LogWriter } from "../../../src/log/append/writer.ts";
import type { Written } from "../../../src/storage/batch-writer.ts";
import type { Database } from "../../../src/storage/database.ts";
import type { TestApp } from "../../support/app.ts";
import { appForEachTest } from "../../support/app-for-each-test.ts";
import { eventually } from "../../support/eventually.ts";
import { counted, sketch } from "../../support/feeds.ts";
import { openProjection } from "../../support/projection.ts";
import { eventsOf } from "../feed-contents.ts";
import { runsOn } from "../../support/tested-on.ts";

runsOn(["memory", "sqld"]);

let database: Database;
let app: TestApp;
appForEachTest((opened) => ({ database, app } = opened), { examined: true });

const plain = sketch({ name: "plain" });
const stateful = sketch({ name: "stateful", project: counted });

/** The first batch that has as many events as a batch may have, as have those after it: they grow. */
const FULL = 5;

/** Events of a build with some full batches. */
const MANY = 5_000;

/** Longer than a projector takes to begin again after a failure, by the clock below. */
const RETRY_MS = 1_500;

/** A clock by which the delay after a failure is short. */
const quick: Clock = {
  ...systemClock,
  sleep: (ms, signal) => systemClock.sleep(ms >= 300 ? 20 : ms, signal),
};

/** Longer than a projector takes for its next step. */
const LATE_MS = 200;

/** A writer that calls a function before each batch of a feed. */
function writerBefore(before: () => Promise<void>): LogWriter {
  const { writer } = app.store;
  return {
    ...writer,
    async write(statements) {
      if (statements[0]?.sql === ADVANCE_FEED) await before();
      return writer.write(statements);
    },
  };
}

for (const [title, fails] of [
  ["could not be written", true],
  ["was refused, because a subject was read meanwhile,", false],
] as const) {
  test(`events whose batch ${title} are soon in the feed, although nothing is appended after them`, async () => {
    await app.append("s-1", { type: "A" });
    let armed = false;
    const writer = writerBefore(async () => {
      if (!armed) return;
      armed = false;
      await systemClock.sleep(LATE_MS);
      if (fails) throw new Error("the disk is full");
      await feeds.hydrate(get(plain.path), "s-1");
    });
    const { feeds, get, run } = await openProjection({ database, writer }, [plain]);
    const running = run("one", app.store.reader);
    await eventually(async () => (await feeds.state(get(plain.path)))?.status === "live");
    armed = true;
    await Promise.all(["s-1", "s-2"].map((stream) => app.append(stream, { type: "A" })));
    const { reader } = get(plain.path);
    await eventually(async () => (await reader.head()) === 3, { withinMs: 10_000 });
    await running.stop();
    expect(await eventsOf(reader, "s-2")).toHaveLength(1);
  });
}

test("a projection that fails to write waits once before it continues, since no other process has its lease", async () => {
  await app.append("s-1", { type: "A" });
  let delays = 0;
  const clock: Clock = {
    ...systemClock,
    sleep(ms, signal) {
      // The delay after a failure, and the time that another holder would get.
      if (ms !== 1_000) return systemClock.sleep(ms, signal);
      delays += 1;
      return systemClock.sleep(20, signal);
    },
  };
  let armed = false;
  const writer = writerBefore(async () => {
    if (!armed) return;
    armed = false;
    throw new Error("the disk is full");
  });
  const { feeds, get, run } = await openProjection({ database, writer }, [plain]);
  const running = run("one", app.store.reader, clock);
  const { reader } = get(plain.path);
  await eventually(async () => (await feeds.state(get(plain.path)))?.status === "live");
  for (let appended = 2; appended <= 3; appended += 1) {
    [armed, delays] = [true, 0];
    await app.append("s-1", { type: "A" });
    await eventually(async () => (await reader.head()) === appended);
    expect(delays).toBe(1);
  }
  await running.stop();
});

/** Builds a feed that counts its events, and expects it to be complete after failures. */
async function expectBuilt(
  writing: (nth: number, write: () => Promise<Written>) => Promise<Written>,
  on: Database = database,
): Promise<void> {
  await app.append("s-1", ...Array.from({ length: MANY }, () => ({ type: "A" })));
  const { writer } = app.store;
  let batches = 0;
  const watched: LogWriter = {
    ...writer,
    async write(statements) {
      const write = () => writer.write(statements);
      if (statements[0]?.sql !== ADVANCE_FEED) return write();
      batches += 1;
      return writing(batches, write);
    },
  };
  const { get, run } = await openProjection({ database: on, writer: watched }, [stateful]);
  const running = run("one", app.store.reader, quick);
  await eventually(() => running.events.some(({ kind }) => kind === "live"));
  await running.stop();
  expect(running.events.filter(({ kind }) => kind === "failed").length).toBeGreaterThan(0);
  const counts = (await eventsOf(get(stateful.path).reader)).map(
    ({ data }) => (data as { count: number }).count,
  );
  expect(counts).toEqual(Array.from({ length: MANY }, (_, n) => n + 1));
}

test("a build whose read fails while a batch is written, which fails as well, folds each event once", async () => {
  let isReadFailing = false;
  const first = Promise.withResolvers<void>();
  const unreliable: Database = {
    ...database,
    async read(statement) {
      if (isReadFailing) {
        isReadFailing = false;
        throw new Error("the disk cannot be read");
      }
      return database.read(statement);
    },
  };
  await expectBuilt(async (nth, write) => {
    if (nth < FULL) return write();
    if (nth === FULL) {
      isReadFailing = true;
      await systemClock.sleep(RETRY_MS);
      first.resolve();
      throw new Error("the disk is full");
    }
    await first.promise;
    return write();
  }, unreliable);
});

test("a batch without an outcome is refused when it arrives after a later attempt at the batch before", async () => {
  const isEmbedded = database.embedded;
  const second = Promise.withResolvers<void>();
  const lost = new Error("no answer in time");
  let arriveLate: (() => Promise<Written>) | null = null;
  const late: Written[] = [];
  await expectBuilt(async (nth, write) => {
    if (nth < FULL) return write();
    if (nth === FULL) {
      if (isEmbedded) await second.promise;
      throw lost;
    }
    if (nth === FULL + 1 && isEmbedded) {
      arriveLate = write;
      second.resolve();
      throw lost;
    }
    const written = await write();
    if (arriveLate !== null && late.length === 0) late.push(await arriveLate());
    return written;
  });
  expect(late).toEqual(isEmbedded ? [{ outcome: "outdated" }] : []);
});
