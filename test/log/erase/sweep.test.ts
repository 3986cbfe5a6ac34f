import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import fc from "fast-check";

import type { Database, Statement } from "../../../src/storage/database.ts";
import { examine } from "../../../src/doctor/doctor.ts";
import { LOG_SPAN } from "../../../src/log/keys.ts";
import { leftoverJob } from "../../../src/log/erase/sweeper.ts";
import { migrate } from "../../../src/log/migrate.ts";
import { openDatabase } from "../../../src/storage/open.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import { eventually } from "../../support/eventually.ts";
import { openApp } from "../../support/app.ts";
import { filesWith } from "../../support/byte-search.ts";
import { clearAll } from "../../support/clear-all.ts";

let folder: string;
let url: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kilde-test-"));
  url = `file:${join(folder, "kilde.db")}`;
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const MARK = "mark-of-what-was-erased";

interface Step {
  readonly log: number;
  readonly length: number;
  readonly marked: boolean;
}

const steps = fc.array(fc.record({ log: fc.nat(3), length: fc.nat(900), marked: fc.boolean() }), {
  minLength: 100,
  maxLength: 300,
});

/** Events of several logs, one after the other: each but those of the last log goes between two pages. */
function inserts(all: readonly Step[]): Statement[] {
  const heads = [0, 0, 0, 0];
  return all.map(({ log, length, marked }, index) => {
    heads[log] = (heads[log] ?? 0) + 1;
    const text = marked ? MARK.repeat(1 + Math.floor(length / MARK.length)) : "x".repeat(length);
    return {
      sql: `insert into events (key, subject, version, type, recorded, data) values (?1, ?2, ?3, 'T', '', ?4)`,
      args: [log * LOG_SPAN + (heads[log] ?? 0), marked ? 2 : 1, index + 1, JSON.stringify(text)],
    };
  });
}

describe("scrubbing a file", () => {
  test("leaves nothing of deleted rows, wherever rows were moved, and keeps all others", async () => {
    let found = 0;
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        for (const suffix of ["", "-wal", "-shm"]) rmSync(join(folder, `kilde.db${suffix}`), { force: true });
        const database = openDatabase({ url });
        await migrate(database);
        await database.write([
          { sql: "insert into subjects (id, log, name) values (1, 0, 'kept'), (2, 0, 'deleted')", args: [] },
        ]);
        for (const statement of inserts(all)) await database.write([statement]);
        await database.write([{ sql: "delete from events where subject = 2", args: [] }]);
        await database.read({ sql: "pragma wal_checkpoint(truncate)", args: [] });
        found += filesWith(folder, [MARK]).length;
        const { signal } = new AbortController();
        await database.purge?.({ clock: systemClock, write: (some) => database.write(some), signal });
        expect(filesWith(folder, [MARK])).toEqual([]);
        const kept = await database.read({ sql: "select key, data from events order by version", args: [] });
        expect(kept).toEqual(
          inserts(all)
            .filter((_, index) => all[index]?.marked === false)
            .map(({ args }) => [args[0], args[3]]),
        );
        expect(await database.read({ sql: "pragma integrity_check", args: [] })).toEqual([["ok"]]);
        database.close();
      }),
      { numRuns: 10 },
    );
    // Otherwise SQLite overwrites what it moves, and the scrub is not needed any more.
    expect(found).toBeGreaterThan(0);
  }, 60_000);
});

describe("a sweep that fails", () => {
  /** A database whose deletes fail while `broken`. */
  const breakable = (database: Database) => {
    const state = { broken: true };
    const write: Database["write"] = async (statements) => {
      if (state.broken && statements.some(({ sql }) => sql.includes("delete from events")))
        throw Object.assign(new Error("disk I/O error"), { code: "SQLITE_IOERR" });
      return database.write(statements);
    };
    return { state, database: { ...database, write } };
  };

  test("shows in /ready and the metrics, is tried again, and shows no more then", async () => {
    const { state, database } = breakable(openDatabase({ url }));
    const app = await openApp({ database });
    const metric = async (name: string) =>
      new RegExp(`^kilde_${name} (.*)$`, "m").exec(await (await app.fetch("/metrics")).text())?.[1];
    await app.append("ida", { type: "T", data: MARK });
    await app.fetch("/streams/ida?reason=asked", { method: "DELETE" });
    await eventually(async () => Number(await metric("sweep_failures")) > 0);
    expect(await metric("erasures_pending")).toBe("1");
    const ready = await app.fetch("/ready");
    expect([ready.status, await ready.json()]).toEqual([
      200,
      {
        status: "degraded",
        writeMs: expect.any(Number),
        sweep: {
          erasures: 1,
          since: expect.any(String),
          attempts: expect.any(Number),
          error: expect.stringContaining("disk I/O error"),
        },
      },
    ]);
    state.broken = false;
    await eventually(async () => (await metric("erasures_pending")) === "0");
    await eventually(async () => (await metric("sweep_failures")) === "0");
    expect(await app.get<object>("/ready")).toMatchObject({ status: "ready" });
    expect(filesWith(folder, [MARK])).toEqual([]);
    expect(await examine(database)).toEqual([]);
    await app.close();
  });

  test("is done after a restart", async () => {
    const { database } = breakable(openDatabase({ url }));
    const app = await openApp({ database });
    await app.append("ida", { type: "T", data: MARK });
    await app.fetch("/streams/ida?reason=asked", { method: "DELETE" });
    await app.close();
    expect(filesWith(folder, [MARK])).not.toEqual([]);
    const again = await openApp({ database: openDatabase({ url }) });
    await eventually(() => filesWith(folder, [MARK]).length === 0);
    await again.close();
  });
});

test("events that another process left are swept when they are still there at the second look", async () => {
  const own = openDatabase({ url });
  const idle = await openApp({ database: own });
  const leftovers = leftoverJob(own, systemClock, () => idle.store.writer.sweep());
  const slice = { deadline: Infinity, signal: new AbortController().signal };
  const other = openDatabase({ url });
  // As if it had been killed before it swept.
  const write: Database["write"] = async (some) =>
    some.some(({ sql }) => sql.includes("delete from events")) ? new Promise(() => {}) : other.write(some);
  const app = await openApp({ database: { ...other, write } });
  await app.append("ida", { type: "T", data: MARK });
  await app.fetch("/streams/ida?reason=asked", { method: "DELETE" });
  await leftovers.run(slice);
  await Bun.sleep(50);
  expect(filesWith(folder, [MARK])).not.toEqual([]);
  await leftovers.run(slice);
  await eventually(() => filesWith(folder, [MARK]).length === 0);
  await idle.close();
  other.close();
});

test("emptying a feed reports that storage failed, and tries again", async () => {
  const database = openDatabase({ url });
  const app = await openApp({ database });
  await database.write(
    [
      "insert into logs (id, name) values (2, '/feeds/f/v1')",
      `insert into feeds (log, name, version, status, started, schemas) values (2, 'f', 1, 'retiring', '', '{}')`,
    ].map((sql) => ({ sql, args: [] })),
  );
  let left = 2;
  const { writer } = app.store;
  const failing = {
    ...writer,
    write: async (statements: readonly Statement[]) => {
      left -= 1;
      if (left >= 0) throw new Error("disk I/O error");
      return writer.write(statements);
    },
  };
  const failures: string[] = [];
  const clock = { ...systemClock, sleep: () => Promise.resolve() };
  const onFailure = (error: unknown) => failures.push(String(error));
  await clearAll({ database, writer: failing, clock }, onFailure);
  expect(failures).toEqual(["Error: disk I/O error", "Error: disk I/O error"]);
  expect(await database.read({ sql: "select status from feeds", args: [] })).toEqual([["retired"]]);
  await app.close();
});
