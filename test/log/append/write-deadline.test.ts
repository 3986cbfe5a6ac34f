import { afterEach, expect, test } from "bun:test";

import { jsonText } from "../../../src/core/json.ts";
import type { Clock } from "../../../src/core/clock.ts";
import type { ExpectedVersion } from "../../../src/core/event.ts";
import { KildeError } from "../../../src/core/errors.ts";
import { DEFAULT_LIMITS } from "../../../src/core/limits.ts";
import type { Database } from "../../../src/storage/database.ts";
import { openDatabase } from "../../../src/storage/open.ts";
import { type ComposedStore, openTestStore } from "../../support/open-store.ts";

/*
 * Writes while a libSQL server is silent: a database in memory, accessed like a server, whose
 * writes wait at a gate.
 */

const SECOND = 1_000;

/** A clock that the test advances. */
function madeTime() {
  let now = 0;
  const sleepers = new Set<{ readonly until: number; readonly wake: () => void }>();
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    sleep: (ms, signal) =>
      new Promise((wake) => {
        sleepers.add({ until: now + ms, wake });
        signal?.addEventListener("abort", () => wake());
      }),
    yield: () => Promise.resolve(),
  };
  const pass = async (ms: number) => {
    await Bun.sleep(5);
    now += ms;
    for (const sleeper of Array.from(sleepers)) {
      if (sleeper.until > now) continue;
      sleepers.delete(sleeper);
      sleeper.wake();
    }
    await Bun.sleep(5);
  };
  return { clock, pass };
}

let close = async () => {};
afterEach(() => close());

async function open() {
  const time = madeTime();
  const inMemory = openDatabase({ url: ":memory:" });
  let gate: Promise<void> = Promise.resolve();
  const database: Database = {
    ...inMemory,
    embedded: false,
    async write(statements) {
      await gate;
      return inMemory.write(statements);
    },
  };
  const deps = { clock: time.clock, limits: DEFAULT_LIMITS, pollIntervalMs: 100 };
  const store = await openTestStore({ ...deps, database });
  close = () => store.close();
  return {
    ...time,
    database: inMemory,
    store,
    /** Another process on the same database, which reaches it. */
    another: () => openTestStore({ ...deps, database: { ...inMemory, close() {} } }),
    /** Has writes wait; call what it returns to let them go. */
    shut() {
      const { promise, resolve } = Promise.withResolvers<void>();
      gate = promise;
      return resolve;
    },
  };
}

function append(
  store: ComposedStore,
  subject: string,
  expectedVersion: ExpectedVersion = "any",
): Promise<string> {
  const events = [{ type: "T", time: null, data: jsonText(1), extensions: null }];
  const parts = [{ subject, expectedVersion, events, erases: false }];
  return store.writer.append({ parts, idempotency: null }).then(
    ({ outcome }) => outcome,
    (error: unknown) => (error instanceof KildeError ? error.code : String(error)),
  );
}

/** The state of a promise now. */
function byNow(promise: Promise<string>): Promise<string> {
  return Promise.race([promise, Bun.sleep(1).then(() => "waiting")]);
}

test("each append is refused ten seconds after it was asked for, those too that come when the database is late", async () => {
  const { store, shut, pass } = await open();
  const opened = shut();
  const first = append(store, "a");
  await pass(6 * SECOND);
  const second = append(store, "b");
  await pass(5 * SECOND);
  expect([await byNow(first), await byNow(second)]).toEqual(["storage-unavailable", "waiting"]);
  const third = append(store, "c");
  await pass(5 * SECOND);
  expect([await byNow(second), await byNow(third)]).toEqual(["storage-unavailable", "waiting"]);
  opened();
  expect(await third).toBe("appended");
  // The first was sent and was done late; the second was never begun.
  expect([await store.reader.find("a"), await store.reader.find("b")]).toEqual([
    expect.objectContaining({ version: 1 }),
    null,
  ]);
});

test("an append whose caller got the answer `unknown` is not planned again when another process was faster", async () => {
  const { store, another, shut, pass } = await open();
  const opened = shut();
  const late = append(store, "a", 0);
  await pass(11 * SECOND);
  expect(await byNow(late)).toBe("storage-unavailable");
  expect(await append(await another(), "a")).toBe("appended");
  opened();
  expect(await append(store, "b")).toBe("appended");
  expect(await store.reader.find("a")).toMatchObject({ version: 1 });
});

test("other writes have the same deadline, and are not begun after it", async () => {
  const { store, database, shut, pass } = await open();
  const opened = shut();
  const first = append(store, "a");
  await pass(SECOND);
  const settled = store.writer
    .write([{ sql: "update logs set name = 'begun' where id = 0", args: [] }])
    .catch((error: unknown) => (error instanceof KildeError ? error.code : String(error)));
  await pass(11 * SECOND);
  expect([await byNow(first), await settled]).toEqual(["storage-unavailable", "storage-unavailable"]);
  opened();
  expect(await append(store, "b")).toBe("appended");
  const named = await database.read({ sql: "select name from logs where id = 0", args: [] });
  expect(named).toEqual([["/events"]]);
});
