import { describe, expect, test } from "bun:test";

import type { Database } from "../../../src/storage/database.ts";
import { eventually } from "../../support/eventually.ts";
import type { TestApp, WireEvent } from "../../support/app.ts";
import { counted, sketch } from "../../support/feeds.ts";
import { openProjection } from "../../support/projection.ts";
import { appForEachTest } from "../../support/app-for-each-test.ts";
import { eventsOf } from "../feed-contents.ts";
import { appendEach, by, byPerson, erase, shortly, totals } from "./erasing.ts";
import { runsOn } from "../../support/tested-on.ts";

runsOn(["memory", "sqld"]);

/** Feeds apply an erasure in their source where subjects are not streams. */

let database: Database;
let app: TestApp;
appForEachTest((opened) => ({ database, app } = opened), { examined: true });

const deps = () => ({ database, writer: app.store.writer });

describe("an erased stream", () => {
  test("a stateless feed keeps the places of its events, and reports their versions at the head", async () => {
    await appendEach(app, "a", "b", "a", "b");
    const { get, drain } = await openProjection(deps(), [byPerson]);
    await drain();
    const { reader } = get(byPerson.path);
    const before = await eventsOf(reader);
    await erase(app, "a");
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
    await appendEach(app, "b", "a", "b", "c");
    const { get, drain } = await openProjection(deps(), [totals]);
    await drain();
    await erase(app, "a");
    await drain();
    await appendEach(app, "b");
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
    await appendEach(app, "a", "b");
    const { get, drain } = await openProjection(deps(), [odd]);
    await drain();
    await erase(app, "a");
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
    await erase(app, "a");
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
    await appendEach(app, "a", "b");
    const { get, drain } = await openProjection(deps(), [byPerson, ofPersons, everyone]);
    await drain();
    await erase(app, "a");
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
    await appendEach(app, "a", "b");
    await app.append("c", { type: "Bad", data: { by: "bo" } });
    await appendEach(app, "a");
    const { get, drain } = await openProjection(deps(), [plain, byPerson, totals]);
    await drain();
    await erase(app, "a");
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
    await appendEach(app, "a", "b");
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
    await erase(app, "a");
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
    await appendEach(app, "a", "b", "c");
    const { get, drain, feeds } = await openProjection(deps(), [stateful]);
    await drain();
    expect(await eventsOf(get(fussy.path).reader)).toHaveLength(3);
    await erase(app, "a");
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
      await appendEach(app, "a", "a");
      const { get, drain } = await openProjection(deps(), [reporting]);
      if (!behind) await drain();
      await erase(app, "a");
      await drain();
      const events = await eventsOf(get(reporting.path).reader);
      expect(events.map(({ type, data }) => [type, data])).toEqual([["Forgotten", { state: null }]]);
    });
  }
});
