import { afterEach, beforeEach, describe, expect, test } from "bun:test";

import { pageBody } from "../../../src/http/log/page-body.ts";
import { examine } from "../../../src/doctor/doctor.ts";
import type { Database } from "../../../src/storage/database.ts";
import type { LogReader } from "../../../src/log/read/reader.ts";
import { eventually } from "../../support/eventually.ts";
import { openApp, type TestApp, type WireEvent } from "../../support/app.ts";
import { counted, sketch } from "../../support/feeds.ts";
import { newDatabase } from "../../support/new-database.ts";
import { openProjection } from "../../support/projection.ts";
import { runsOn } from "../../support/tested-on.ts";

runsOn(["memory", "sqld"]);

/** Feeds apply an erasure in their source where subjects are not streams. */

let database: Database;
let app: TestApp;
beforeEach(async () => {
  database = await newDatabase();
  app = await openApp({ database });
});
afterEach(async () => {
  expect(await examine(database)).toEqual([]);
  await app.close();
});

const deps = () => ({ database, writer: app.store.writer });

async function eventsOf(reader: LogReader, subject: string | null = null): Promise<WireEvent[]> {
  const query = { subject, direction: "forwards", limit: 10_000, filter: {} } as const;
  const { parts } = pageBody((await reader.page(query, "array")).parts, "array");
  return (await new Response(new Blob([...parts])).json()) as WireEvent[];
}

function shortly(events: readonly WireEvent[]): string[] {
  return events.map(
    ({ sequence, type, data }) => `${Number(sequence)} ${type.replace("kilde.", "")} ${JSON.stringify(data)}`,
  );
}

async function erase(stream: string): Promise<void> {
  expect((await app.fetch(`/streams/${stream}?reason=asked`, { method: "DELETE" })).status).toBe(200);
}

const by = ({ data }: { readonly data: unknown }) => (data as { by: string }).by;
const byPerson = sketch({ name: "by-person", subject: by });
const totals = sketch({ name: "totals", subject: by, project: counted });
/** One event of each of some streams, in order, about one person. */
async function appendEach(...streams: readonly string[]): Promise<void> {
  for (const [n, stream] of streams.entries())
    await app.append(stream, { type: "A", data: { by: "ida", n }, metadata: { correlationId: `c-${n}` } });
}

describe("an erased stream", () => {
  test("a stateless feed keeps the places of its events, and reports their versions at the head", async () => {
    await appendEach("a", "b", "a", "b");
    const { get, drain } = await openProjection(deps(), [byPerson]);
    await drain();
    const { reader } = get(byPerson.path);
    const before = await eventsOf(reader);
    await erase("a");
    await drain();
    const events = await eventsOf(reader);
    expect(shortly(events)).toEqual([
      "1 event-erased undefined",
      `2 PublicA {"by":"ida","n":1}`,
      "3 event-erased undefined",
      `4 PublicA {"by":"ida","n":3}`,
      `5 erased-in-part {"versions":[[1,1],[3,3]]}`,
    ]);
    expect(events[1]).toEqual(before[1] as WireEvent);
    const { logidentity, ...place } = events[0] as WireEvent;
    expect(logidentity as unknown).toEqual(before[0]?.["logidentity"] as unknown);
    expect(place).toEqual({
      specversion: "1.0",
      id: "1",
      source: byPerson.path,
      type: "kilde.event-erased",
      subject: "ida",
      time: before[0]?.time ?? "",
      sequence: "0000000000000001",
      projectedfrom: "1",
    });
    expect(events[4]).toMatchObject({ id: "5", projectedfrom: "5" });
  });

  test("a stateful feed erases from the first event that came from it, and publishes the remaining events again", async () => {
    await appendEach("b", "a", "b", "c");
    const { get, drain } = await openProjection(deps(), [totals]);
    await drain();
    await erase("a");
    await drain();
    await appendEach("b");
    await drain();
    expect(shortly(await eventsOf(get(totals.path).reader))).toEqual([
      `1 PublicA {"count":1,"data":{"by":"ida","n":0}}`,
      "2 event-erased undefined",
      "3 event-erased undefined",
      "4 event-erased undefined",
      `5 erased-in-part {"versions":[[2,4]]}`,
      `6 PublicA {"count":2,"data":{"by":"ida","n":2}}`,
      `7 PublicA {"count":3,"data":{"by":"ida","n":3}}`,
      `8 PublicA {"count":4,"data":{"by":"ida","n":0}}`,
    ]);
  });

  test("types that only look like Kilde's own are erased, too", async () => {
    const odd = sketch({
      name: "odd",
      subject: by,
      project: ({ data }) => ({ events: [{ type: "Kilde.Paid", data: JSON.stringify(data) }] }),
    });
    await appendEach("a", "b");
    const { get, drain } = await openProjection(deps(), [odd]);
    await drain();
    await erase("a");
    await drain();
    expect(shortly(await eventsOf(get(odd.path).reader)).slice(0, 2)).toEqual([
      "1 event-erased undefined",
      `2 Kilde.Paid {"by":"ida","n":1}`,
    ]);
  });

  test("more events than one batch erases, and publishes again", async () => {
    await app.append(
      "a",
      ...Array.from({ length: 1_200 }, (_, n) => ({ type: "A", data: { by: "ida", n } })),
    );
    await app.append(
      "b",
      ...Array.from({ length: 1_200 }, (_, n) => ({ type: "A", data: { by: "ida", n } })),
    );
    await app.append("c", { type: "A", data: { by: "bo", n: 0 } });
    const down = sketch({ name: "down", source: { log: totals.path, types: ["PublicA"] } });
    const { get, drain } = await openProjection(deps(), [byPerson, totals, down]);
    await drain();
    await erase("a");
    await drain();
    for (const path of [byPerson.path, totals.path, down.path]) {
      const events = await eventsOf(get(path).reader);
      const left = events.filter(({ type }) => !type.startsWith("kilde."));
      expect(left).toHaveLength(1_201);
      expect(left.filter(({ projectedfrom }) => Number(projectedfrom) <= 1_200)).toEqual([]);
    }
  });

  test("feeds that are projected from the feed follow", async () => {
    const ofPersons = sketch({ name: "of-persons", source: { log: byPerson.path, types: ["PublicA"] } });
    const everyone = sketch({
      name: "everyone",
      project: counted,
      subject: () => "all",
      source: { log: byPerson.path, types: ["PublicA"] },
    });
    await appendEach("a", "b");
    const { get, drain } = await openProjection(deps(), [byPerson, ofPersons, everyone]);
    await drain();
    await erase("a");
    await drain();
    expect(shortly(await eventsOf(get(ofPersons.path).reader))).toEqual([
      "1 event-erased undefined",
      `2 PublicPublicA {"by":"ida","n":1}`,
      `3 erased-in-part {"versions":[[1,1]]}`,
    ]);
    expect(shortly(await eventsOf(get(everyone.path).reader))).toEqual([
      "1 event-erased undefined",
      "2 event-erased undefined",
      `3 erased-in-part {"versions":[[1,2]]}`,
      `4 PublicPublicA {"count":1,"data":{"by":"ida","n":1}}`,
    ]);
  });

  test("a feed that is halted erases nevertheless", async () => {
    const plain = sketch({ name: "plain" });
    await appendEach("a", "b");
    await app.append("c", { type: "Bad", data: { by: "bo" } });
    await appendEach("a");
    const { get, drain } = await openProjection(deps(), [plain, byPerson, totals]);
    await drain();
    await erase("a");
    const halted = [plain, byPerson, totals].map(({ path }) => get(path));
    for (const { log } of halted) {
      const { feeds } = await openProjection(deps(), [plain, byPerson, totals]);
      expect((await feeds.state(get(log.name)))?.status).toBe("halted");
    }
    await drain();
    for (const { reader } of halted) {
      const left = (await eventsOf(reader)).filter(({ type }) => !type.startsWith("kilde."));
      expect(left.map(({ projectedfrom }) => projectedfrom)).toEqual(["2"]);
    }
  });

  test("a running projection that is halted, and one that traces, erase soon", async () => {
    const plain = sketch({ name: "plain" });
    await appendEach("a", "b");
    await app.append("c", { type: "Bad", data: { by: "bo" } });
    const { get, run, feeds } = await openProjection(deps(), [plain, totals]);
    await database.write([{ sql: "update feeds set traced = 0", args: [] }]);
    const running = run("one", app.store.reader);
    const isHalted = async (path: string) => (await feeds.state(get(path)))?.status === "halted";
    const isTraced = async () => (await feeds.state(get(totals.path)))?.tracing === null;
    const left = async (path: string) =>
      (await eventsOf(get(path).reader)).filter(({ type }) => !type.startsWith("kilde.")).length;
    await eventually(async () => (await isHalted(plain.path)) && (await isHalted(totals.path)) && isTraced());
    expect(await left(plain.path)).toBe(2);
    await erase("a");
    await eventually(async () => (await left(plain.path)) === 1);
    // Of two events about Ida, one remains, which is published again.
    await eventually(async () => {
      const events = await eventsOf(get(totals.path).reader);
      return events.length === 4 && (await left(totals.path)) === 1;
    });
    expect(await isHalted(totals.path)).toBe(true);
    await running.stop();
    expect(running.events.filter(({ kind }) => kind === "failed")).toEqual([]);
  });

  test("the remaining events cannot be published again: the erasure is applied, and the feed halts there", async () => {
    let picky = true;
    const fussy = sketch({
      name: "fussy",
      subject: by,
      project(event, state) {
        if (picky && state === undefined && event.subject === "b") throw new Error("b is never the first");
        return counted(event, state);
      },
    });
    const stateful = { ...fussy, stateful: true };
    await appendEach("a", "b", "c");
    const { get, drain, feeds } = await openProjection(deps(), [stateful]);
    await drain();
    expect(await eventsOf(get(fussy.path).reader)).toHaveLength(3);
    await erase("a");
    await drain();
    expect(await feeds.state(get(fussy.path))).toMatchObject({
      status: "halted",
      erasing: true,
      failure: { position: 2, message: expect.stringContaining("b is never the first") },
    });
    expect(shortly(await eventsOf(get(fussy.path).reader)).slice(0, 3)).toEqual([
      "1 event-erased undefined",
      "2 event-erased undefined",
      "3 event-erased undefined",
    ]);
    await expect(feeds.hydrate(get(fussy.path), "ida")).rejects.toMatchObject({ code: "projection-failed" });
    picky = false;
    await feeds.resume(get(fussy.path));
    await drain();
    expect(await feeds.state(get(fussy.path))).toMatchObject({ status: "live", erasing: false });
    expect(shortly(await eventsOf(get(fussy.path).reader)).slice(3)).toEqual([
      `4 erased-in-part {"versions":[[1,3]]}`,
      `5 PublicA {"count":1,"data":{"by":"ida","n":1}}`,
      `6 PublicA {"count":2,"data":{"by":"ida","n":2}}`,
    ]);
  });

  for (const behind of [false, true]) {
    test(`what \`erased\` publishes is the same for a projection that was ${behind ? "behind" : "not behind"}`, async () => {
      const reporting = sketch({
        name: "reporting",
        project: counted,
        erased: (_, state) => [{ type: "Forgotten", data: JSON.stringify({ state: state ?? null }) }],
      });
      await appendEach("a", "a");
      const { get, drain } = await openProjection(deps(), [reporting]);
      if (!behind) await drain();
      await erase("a");
      await drain();
      const events = await eventsOf(get(reporting.path).reader);
      expect(events.map(({ type, data }) => [type, data])).toEqual([["Forgotten", { state: null }]]);
    });
  }
});

describe("an erased stream that a feed publishes as something else than a tombstone", () => {
  const replacing = sketch({ name: "replacing", erased: () => [{ type: "Forgotten", data: "{}" }] });
  const down = sketch({ name: "down", source: { log: replacing.path, types: ["PublicA"] } });
  const further = sketch({ name: "further", source: { log: down.path, types: ["PublicPublicA"] } });

  test("is erased from the feeds that are projected from it", async () => {
    await appendEach("a", "b");
    const { get, drain } = await openProjection(deps(), [replacing, down, further]);
    await drain();
    await erase("a");
    await drain();
    expect(shortly(await eventsOf(get(replacing.path).reader, "a"))).toEqual(["2 Forgotten {}"]);
    for (const { path } of [down, further]) {
      const { reader } = get(path);
      expect(shortly(await eventsOf(reader, "a"))).toEqual([
        "1 event-erased undefined",
        `2 erased-in-part {"versions":[[1,1]]}`,
      ]);
      expect(await eventsOf(reader, "b")).toHaveLength(1);
    }
  });

  test("is erased, too, from feeds that were projected while it was published as a tombstone", async () => {
    const erasing = sketch({ name: "replacing" });
    await appendEach("a", "b");
    const before = await openProjection(deps(), [erasing, down, further]);
    await before.drain();
    const { get, drain } = await openProjection(deps(), [replacing, down, further]);
    // A server lets an erasure wait until the origins are traced.
    await drain();
    await erase("a");
    await drain();
    for (const { path } of [down, further])
      expect((await eventsOf(get(path).reader, "a")).map(({ data }) => data ?? null)).not.toContainEqual(
        expect.objectContaining({ by: "ida" }),
      );
    // And back again.
    await (await openProjection(deps(), [erasing, down, further])).drain();
    await erase("b");
    const after = await openProjection(deps(), [erasing, down, further]);
    await after.drain();
    const left = (
      await Promise.all([down, further].map(({ path }) => eventsOf(after.get(path).reader)))
    ).flat();
    expect(left.filter(({ data }) => data !== undefined && "by" in (data as object))).toEqual([]);
  });
});

describe("an erased stream of which `erased` publishes nothing", () => {
  const silent = (name: string, source?: { readonly log: string; readonly types: readonly string[] }) =>
    sketch({ name, erased: () => [], ...(source && { source }) });
  const first = silent("first");
  const down = silent("down", { log: first.path, types: ["PublicA"] });
  const further = silent("further", { log: down.path, types: ["PublicPublicA"] });
  const feeds = [first, down, further];

  for (const behind of [false, true]) {
    test(`leaves its tombstone in every feed of a feed that was ${behind ? "behind" : "not behind"}`, async () => {
      await appendEach("a", "b");
      const { get, drain } = await openProjection(deps(), feeds);
      if (!behind) await drain();
      await erase("a");
      await drain();
      for (const { path } of feeds) {
        const { reader } = get(path);
        const [tombstone, ...others] = await eventsOf(reader, "a");
        expect(tombstone).toMatchObject({ type: "kilde.erased", reason: "asked", projectedfrom: "3" });
        expect(others).toEqual([]);
        expect(await eventsOf(reader, "b")).toHaveLength(1);
      }
    });
  }

  test("begins again after its tombstone in every feed, and is erased again", async () => {
    await appendEach("a");
    const { get, drain } = await openProjection(deps(), feeds);
    await drain();
    await erase("a");
    await drain();
    const events = [{ type: "A", data: { by: "bo", n: 7 } }];
    const response = await app.fetch("/streams/a", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ expectedVersion: 2, events }),
    });
    expect(response.status).toBe(201);
    await drain();
    const dataOf = async ({ path }: { readonly path: string }) =>
      (await eventsOf(get(path).reader, "a")).map(({ type, data }) => data ?? type);
    for (const feed of feeds) expect(await dataOf(feed)).toEqual(["kilde.erased", { by: "bo", n: 7 }]);
    await erase("a");
    await drain();
    for (const feed of feeds) expect(await dataOf(feed)).toEqual(["kilde.erased"]);
  });
});

describe("events from before it was noted where they came from", () => {
  const down = sketch({ name: "down", project: counted, source: { log: totals.path, types: ["PublicA"] } });

  /** As an older version left the database. */
  async function forgetOrigins(): Promise<void> {
    await database.write([
      { sql: "delete from feed_origins", args: [] },
      { sql: "update feeds set traced = 0", args: [] },
    ]);
  }

  test("are traced, and then an erasure reaches them", async () => {
    await appendEach("b", "a", "b", "c", "a");
    await app.append("d", ...Array.from({ length: 700 }, (_, n) => ({ type: "A", data: { by: "bo", n } })));
    const feeds = [byPerson, totals, down];
    const { get, drain } = await openProjection(deps(), feeds);
    await drain();
    const origins = () =>
      database.read({ sql: "select * from feed_origins order by subject, position", args: [] });
    const noted = await origins();
    expect(noted.length).toBe(3 * 705);
    await forgetOrigins();
    await appendEach("a");
    await drain();
    const traced = await origins();
    expect(traced.length).toBe(3 * 706);
    expect(traced.filter((row) => noted.some((other) => Bun.deepEquals(other, row)))).toHaveLength(3 * 705);
    await erase("a");
    await drain();
    for (const { path } of feeds) {
      const left = (await eventsOf(get(path).reader, "ida")).filter(({ type }) => !type.startsWith("kilde."));
      expect(left.map(({ projectedfrom }) => projectedfrom)).toEqual(["1", "3", "4"]);
    }
  });

  test("make an erasure wait, and the feed's status reports it", async () => {
    await app.close();
    database = await newDatabase();
    app = await openApp({ database, feeds: [byPerson] });
    await appendEach("a");
    const { get, drain, feeds } = await openProjection(deps(), [byPerson]);
    await drain();
    await forgetOrigins();
    expect(await feeds.state(get(byPerson.path))).toMatchObject({ tracing: { done: 0, total: 1 } });
    const refused = await app.fetch("/streams/a?reason=asked", { method: "DELETE" });
    expect(refused.status).toBe(503);
    expect(refused.headers.get("retry-after")).not.toBeNull();
    expect(await refused.json()).toMatchObject({ type: expect.stringContaining("feed-behind") });
    await drain();
    expect(await feeds.state(get(byPerson.path))).toMatchObject({ tracing: null });
    await erase("a");
  });
});
