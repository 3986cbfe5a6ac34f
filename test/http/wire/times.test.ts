import { expect, test } from "bun:test";

import type { Clock } from "../../../src/core/clock.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import { jsonPost, openApp } from "../../support/app.ts";
import { sketch } from "../../support/feeds.ts";
import { newDatabase } from "../../support/new-database.ts";
import { openProjection } from "../../support/projection.ts";
import { testInProcess } from "../../support/tested-on.ts";

const ONE = sketch({ name: "one" });
const ALL = sketch({ name: "all", source: { log: ONE.path, types: ["PublicA"] }, subject: () => "all" });

testInProcess("asOf returns the events recorded by then, even if recorded times do not ascend", async () => {
  let now = Date.parse("2026-01-01T12:00:00Z");
  const clock: Clock = { ...systemClock, now: () => now };
  const database = await newDatabase();
  const feeds = [ONE, ALL];
  const app = await openApp({ database, clock, feeds });
  for (const stream of ["a", "b", "c"]) {
    await app.append(stream, { type: "A", data: stream });
    now += 60_000;
  }
  const { drain, feeds: projected } = await openProjection({ database, writer: app.store.writer }, feeds);
  await drain();
  // As earlier versions published it, where b was asked for before the projection came to a.
  await database.write([
    {
      sql: `update events set recorded = iif(recorded like '%12:00:00%', ?2, ?3)
        where recorded in (?2, ?3) and key >> 40 = (select id from logs where name = ?1)`,
      args: [ALL.path, "2026-01-01T12:01:00.000Z", "2026-01-01T12:00:00.000Z"],
    },
  ]);
  const asOf = async (time: string, more = "") => {
    const path = `${ALL.path}/subjects/all?asOf=${encodeURIComponent(time)}${more}`;
    return (await app.get(path)).map(({ data }) => data);
  };
  expect(await asOf("2026-01-01T13:00:00Z")).toEqual(["a", "b", "c"]);
  expect(await asOf("2026-01-01T12:00:30Z")).toEqual(["b"]);
  expect(await asOf("2026-01-01T12:01:00Z")).toEqual(["a", "b"]);
  expect(await asOf("2026-01-01T14:00:30+02:00")).toEqual(["b"]);
  expect(await asOf("2026-01-01T12:01:59.9999Z", "&direction=backwards")).toEqual(["b", "a"]);
  expect(await asOf("2026-01-01T12:01:00Z", "&limit=1")).toEqual(["a"]);
  await projected.close();
  await app.close();
});

test("times in years and offsets whose UTC form is longer compare as times", async () => {
  const app = await openApp();
  await app.append("s", { type: "T" });
  const at = (time: string) => app.get(`/streams/s?asOf=${encodeURIComponent(time)}`);
  expect(await at("9999-12-31T23:59:59-12:00")).toHaveLength(1);
  expect(await at("0000-01-01T00:00:00+12:00")).toHaveLength(0);
  const begin = async (time: string) => {
    const body = { source: "/events", url: "https://receiver.example/", start: { time } };
    const answer = await app.fetch("/subscriptions", jsonPost(body));
    expect(answer.status).toBe(201);
    return ((await answer.json()) as { cursor: number }).cursor;
  };
  expect(await begin("0000-01-01T00:00:00+12:00")).toBe(0);
  expect(await begin("9999-12-31T23:59:59-12:00")).toBe(1);
  await app.close();
});
