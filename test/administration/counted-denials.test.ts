import { expect, test } from "bun:test";

import { createDenialMemory, createDenials, type Denials } from "../../src/administration/denials.ts";
import type { Clock } from "../../src/core/clock.ts";
import { migrate } from "../../src/log/migrate.ts";
import { writeBatch } from "../../src/storage/batch-writer.ts";
import { type Database, integerAt, textAt } from "../../src/storage/database.ts";
import { movableClock } from "../access/opened.ts";
import { type Deployment } from "../support/app.ts";
import { forEachDeployment } from "../support/deployments.ts";

/** Opens the counters of two processes on one database. `inBackground`: whether they record by timers. */
async function openProcesses(
  opened: Awaited<ReturnType<Deployment["open"]>>,
  clock: Clock,
  inBackground: boolean,
) {
  const processes: { readonly database: Database; readonly denials: Denials }[] = [];
  for (let count = 1; count <= 2; count += 1) {
    const database = opened.database();
    await migrate(database);
    const denials = createDenials({
      database,
      writer: { write: (statements) => writeBatch(database, clock, statements) },
      clock,
      memory: createDenialMemory(),
      inBackground,
    });
    processes.push({ database, denials });
  }
  return processes;
}

/** When denials were recorded, and how many. */
async function recordedIn({ read }: Database) {
  const rows = await read({
    sql: "select recorded, data ->> 'count' from events where type = 'kilde.access.denied' order by key",
    args: [],
  });
  return {
    times: rows.map((row) => Date.parse(textAt(row, 0))),
    count: rows.reduce((sum, row) => sum + integerAt(row, 1), 0),
  };
}

const DENIAL = { principal: "shop", needs: "read:/events" };

forEachDeployment(["file", "sqld"], (deployment) => {
  test(`processes that record denials at the same moment write one entry (${deployment.name})`, async () => {
    const opened = await deployment.open();
    const time = movableClock();
    const processes = await openProcesses(opened, time.clock, false);
    const [first] = processes;
    if (first === undefined) throw new Error("there are no processes");
    for (let minute = 1; minute <= 3; minute += 1) {
      for (const { denials } of processes) denials.note(DENIAL);
      await Promise.all(processes.map(({ denials }) => denials.flush()));
      expect((await recordedIn(first.database)).times).toHaveLength(minute);
      await time.pass(60_000);
    }
    for (let minute = 1; minute <= 2; minute += 1) {
      for (const { denials } of processes) await denials.flush();
      await time.pass(60_000);
    }
    expect((await recordedIn(first.database)).count).toBe(6);
    for (const { database } of processes) database.close();
    await opened.dispose();
  });

  test(`processes together record denials at most once a minute, and each denial once (${deployment.name})`, async () => {
    const opened = await deployment.open();
    const time = movableClock();
    const processes = await openProcesses(opened, time.clock, true);
    let noted = 0;
    for (let step = 0; step < 12; step += 1) {
      for (const { denials } of processes) {
        const count = (step * 7) % 4;
        for (let n = 0; n < count; n += 1) denials.note(DENIAL);
        noted += count;
        await time.pass(1_000);
      }
      await time.pass(9_000 + (step % 3) * 5_000);
    }
    for (let n = 0; n < 5; n += 1) await time.pass(60_000);
    const [database] = processes.map((one) => one.database);
    if (database === undefined) throw new Error("there are no processes");
    const { times, count } = await recordedIn(database);
    expect(times.length).toBeGreaterThan(2);
    expect(times.slice(1).filter((at, index) => at - (times[index] ?? 0) < 60_000)).toEqual([]);
    expect(count).toBe(noted);
    for (const one of processes) {
      await one.denials.close();
      one.database.close();
    }
    await opened.dispose();
  });
});
