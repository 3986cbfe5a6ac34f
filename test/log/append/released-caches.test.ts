import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect, test } from "bun:test";

import { systemClock } from "../../../src/core/system-clock.ts";
import type { Database } from "../../../src/storage/database.ts";
import { openDatabase } from "../../../src/storage/open.ts";
import { writeFromThread } from "../../../src/storage/writer/threaded-database.ts";
import { eventually } from "../../support/eventually.ts";
import { openApp } from "../../support/app.ts";
import { newDatabase } from "../../support/new-database.ts";
import { runsOn } from "../../support/tested-on.ts";

runsOn(["file"]);

/** A second passes in ten milliseconds. */
const clock = {
  ...systemClock,
  sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(ms / 100, signal),
};

const fail = (error: unknown) => {
  throw error;
};

test("a server releases the caches and the garbage of the thread that answers once when a load has ended, and continues", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kilde-test-"));
  const url = `file:${join(folder, "kilde.db")}`;
  let released = 0;
  const onRelease = () => void (released += 1);
  const threaded = writeFromThread(
    openDatabase({ url }),
    { url },
    { onFailure: fail, onTrouble: fail, onRelease },
  );
  const app = await openApp({ database: { ...threaded.database, close: () => {} }, clock });
  const events = Array.from({ length: 1_000 }, () => ({ type: "T" }));

  await app.append("a", ...events);
  await Bun.sleep(200);
  expect(released).toBe(0);

  for (let appends = 0; appends < 4; appends += 1) await app.append("a", ...events);
  await eventually(() => released === 1);
  await app.append("a", { type: "T" });
  await Bun.sleep(200);
  expect(released).toBe(1);

  await app.close();
  await threaded.close();
  rmSync(folder, { recursive: true });
});

test("a release that fails in a process without a writer thread is tried again, and stops no later one", async () => {
  const database = await newDatabase();
  let [attempts, faults] = [0, 1];
  const failing: Database = {
    ...database,
    release() {
      attempts += 1;
      if (faults > 0) {
        faults -= 1;
        throw new Error("disk I/O error");
      }
      database.release?.();
    },
    close: () => {},
  };
  const failures: unknown[] = [];
  const app = await openApp({
    database: failing,
    clock,
    onReleaseFailure: (error) => void failures.push(error),
  });
  const events = Array.from({ length: 1_000 }, () => ({ type: "T" }));
  const load = async () => {
    for (let appends = 0; appends < 4; appends += 1) await app.append("a", ...events);
  };
  await load();
  await eventually(() => attempts === 2);
  await load();
  await eventually(() => attempts === 3);
  expect(failures).toEqual([new Error("disk I/O error")]);
  await app.close();
  database.close();
});
