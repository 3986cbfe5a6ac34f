import { expect, test } from "bun:test";

import { createDenialMemory, createDenials } from "../../src/administration/denials.ts";
import { migrate } from "../../src/log/migrate.ts";
import { writeBatch } from "../../src/storage/batch-writer.ts";
import { integerAt, textAt } from "../../src/storage/database.ts";
import { movableClock } from "../access/opened.ts";
import { forEachDeployment } from "../support/deployments.ts";

forEachDeployment(["file", "sqld"], (deployment) => {
  test(`processes together record denials at most once a minute, and each denial once (${deployment.name})`, async () => {
    const opened = await deployment.open();
    const time = movableClock();
    const processes = await Promise.all(
      [1, 2].map(async () => {
        const database = opened.database();
        await migrate(database);
        const denials = createDenials({
          database,
          writer: { write: (statements) => writeBatch(database, time.clock, statements) },
          clock: time.clock,
          memory: createDenialMemory(),
          inBackground: true,
        });
        return { database, denials };
      }),
    );
    let noted = 0;
    for (let step = 0; step < 12; step += 1) {
      for (const { denials } of processes) {
        const count = (step * 7) % 4;
        for (let n = 0; n < count; n += 1) denials.note({ principal: "shop", needs: "read:/events" });
        noted += count;
        await time.pass(1_000);
      }
      await time.pass(9_000 + (step % 3) * 5_000);
    }
    for (let n = 0; n < 5; n += 1) await time.pass(60_000);
    const [database] = processes.map((one) => one.database);
    const rows = await database?.read({
      sql: "select recorded, data ->> 'count' from events where type = 'kilde.access.denied' order by key",
      args: [],
    });
    const times = (rows ?? []).map((row) => Date.parse(textAt(row, 0)));
    expect(times.length).toBeGreaterThan(2);
    expect(times.slice(1).filter((at, index) => at - (times[index] ?? 0) < 60_000)).toEqual([]);
    expect((rows ?? []).reduce((sum, row) => sum + integerAt(row, 1), 0)).toBe(noted);
    for (const one of processes) {
      await one.denials.close();
      one.database.close();
    }
    await opened.dispose();
  });
});
