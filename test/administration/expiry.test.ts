import { expect, test } from "bun:test";

import { expiryJob } from "../../src/administration/expiry.ts";
import { examine } from "../../src/doctor/doctor.ts";
import { systemClock } from "../../src/core/system-clock.ts";
import { openApp, takeEvents } from "../support/app.ts";
import { eventually } from "../support/eventually.ts";
import { newDatabase } from "../support/new-database.ts";
import { runsOn } from "../support/tested-on.ts";

runsOn(["memory", "sqld"]);

const DAY_MS = 24 * 3_600_000;

test("entries expire by age, the last about each resource stays, and a reader continues without a gap", async () => {
  const database = await newDatabase();
  let aheadMs = 0;
  const clock = { ...systemClock, now: () => Date.now() + aheadMs };
  const app = await openApp({ database, clock });
  await app.append("s", ...Array.from({ length: 700 }, () => ({ type: "A" })));
  await app.append("t", { type: "A" }, { type: "A" });
  for (let before = 2; before <= 620; before += 1)
    await app.fetch(`/streams/s?before=${before}`, { method: "DELETE" });
  await app.fetch("/streams/t?before=2", { method: "DELETE" });
  const [first] = await app.get("/operations?limit=1");
  aheadMs = 401 * DAY_MS;
  await app.fetch("/streams/s?before=640", { method: "DELETE" });
  const { writer } = app.store;
  const limits = { operationsSeconds: 400 * 24 * 3_600 };
  const job = expiryJob({ database, writer, clock, limits, onTruncated: () => {} });
  const { signal } = new AbortController();
  await job.run({ deadline: clock.monotonic(), signal });
  const left = (await app.get("/operations")).map(({ id, subject }) => [Number(id), subject]);
  expect(left).toEqual([
    [620, "/streams/t"],
    [621, "/streams/s"],
  ]);
  await eventually(async () => {
    const [row] = await database.read({
      sql: "select count(*) from events where key >= 1 << 40 and key < 2 << 40",
      args: [],
    });
    return row?.[0] === 2;
  });
  const cursor = `${first?.id}-${first?.logidentity}`;
  const headers = { accept: "text/event-stream", "last-event-id": cursor };
  const sent = await takeEvents(await app.fetch("/operations", { headers }), 2);
  expect(sent.map(({ id }) => Number(id))).toEqual([620, 621]);
  await app.fetch("/streams/s?before=650", { method: "DELETE" });
  const [last] = await app.get("/operations?direction=backwards&limit=1");
  expect([Number(last?.id), Number(last?.sequence)]).toEqual([622, 621]);
  expect(await examine(database)).toEqual([]);
  await app.close();
});
