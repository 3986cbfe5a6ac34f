import { describe, expect, test } from "bun:test";

import type { Database } from "../../../src/storage/database.ts";
import type { TestApp } from "../../support/app.ts";
import { sketch } from "../../support/feeds.ts";
import { openProjection } from "../../support/projection.ts";
import { appForEachTest } from "../../support/app-for-each-test.ts";
import { eventsOf } from "../feed-contents.ts";
import { appendEach, erase, shortly } from "./erasing.ts";
import { runsOn } from "../../support/tested-on.ts";

runsOn(["memory", "sqld"]);

let database: Database;
let app: TestApp;
appForEachTest((opened) => ({ database, app } = opened), { examined: true });

const deps = () => ({ database, writer: app.store.writer });

describe("an erased stream that a feed publishes as something else than a tombstone", () => {
  const replacing = sketch({ name: "replacing", erased: () => [{ type: "Forgotten", data: "{}" }] });
  const down = sketch({ name: "down", source: { log: replacing.path, types: ["PublicA"] } });
  const further = sketch({ name: "further", source: { log: down.path, types: ["PublicPublicA"] } });

  test("is erased from the feeds that are projected from it", async () => {
    await appendEach(app, "a", "b");
    const { get, drain } = await openProjection(deps(), [replacing, down, further]);
    await drain();
    await erase(app, "a");
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
    await appendEach(app, "a", "b");
    const before = await openProjection(deps(), [erasing, down, further]);
    await before.drain();
    const { get, drain } = await openProjection(deps(), [replacing, down, further]);
    // A server lets an erasure wait until the origins are traced.
    await drain();
    await erase(app, "a");
    await drain();
    for (const { path } of [down, further])
      expect((await eventsOf(get(path).reader, "a")).map(({ data }) => data ?? null)).not.toContainEqual(
        expect.objectContaining({ by: "ida" }),
      );
    // And back again.
    await (await openProjection(deps(), [erasing, down, further])).drain();
    await erase(app, "b");
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
      await appendEach(app, "a", "b");
      const { get, drain } = await openProjection(deps(), feeds);
      if (!behind) await drain();
      await erase(app, "a");
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
    await appendEach(app, "a");
    const { get, drain } = await openProjection(deps(), feeds);
    await drain();
    await erase(app, "a");
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
    await erase(app, "a");
    await drain();
    for (const feed of feeds) expect(await dataOf(feed)).toEqual(["kilde.erased"]);
  });
});
