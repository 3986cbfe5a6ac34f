import { describe, expect, test } from "bun:test";

import type { Database } from "../../../src/storage/database.ts";
import { openApp, type TestApp } from "../../support/app.ts";
import { counted, sketch } from "../../support/feeds.ts";
import { openProjection } from "../../support/projection.ts";
import { appForEachTest } from "../../support/app-for-each-test.ts";
import { eventsOf } from "../feed-contents.ts";
import { appendEach, byPerson, erase, totals } from "./erasing.ts";
import { runsOn } from "../../support/tested-on.ts";

runsOn(["memory", "sqld"]);

let database: Database;
let app: TestApp;
appForEachTest((opened) => ({ database, app } = opened), { examined: true });

const deps = () => ({ database, writer: app.store.writer });

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
    await appendEach(app, "b", "a", "b", "c", "a");
    await app.append("d", ...Array.from({ length: 700 }, (_, n) => ({ type: "A", data: { by: "bo", n } })));
    const feeds = [byPerson, totals, down];
    const { get, drain } = await openProjection(deps(), feeds);
    await drain();
    const origins = () =>
      database.read({ sql: "select * from feed_origins order by subject, position", args: [] });
    const noted = await origins();
    expect(noted.length).toBe(3 * 705);
    await forgetOrigins();
    await appendEach(app, "a");
    await drain();
    const traced = await origins();
    expect(traced.length).toBe(3 * 706);
    expect(traced.filter((row) => noted.some((other) => Bun.deepEquals(other, row)))).toHaveLength(3 * 705);
    await erase(app, "a");
    await drain();
    for (const { path } of feeds) {
      const left = (await eventsOf(get(path).reader, "ida")).filter(({ type }) => !type.startsWith("kilde."));
      expect(left.map(({ projectedfrom }) => projectedfrom)).toEqual(["1", "3", "4"]);
    }
  });

  test("make an erasure wait, and the feed's status reports it", async () => {
    const configured = await openApp({ database: { ...database, close: () => {} }, feeds: [byPerson] });
    await appendEach(app, "a");
    const { get, drain, feeds } = await openProjection(deps(), [byPerson]);
    await drain();
    await forgetOrigins();
    expect(await feeds.state(get(byPerson.path))).toMatchObject({ tracing: { done: 0, total: 1 } });
    const refused = await configured.fetch("/streams/a?reason=asked", { method: "DELETE" });
    expect(refused.status).toBe(503);
    expect(refused.headers.get("retry-after")).not.toBeNull();
    expect(await refused.json()).toMatchObject({ type: expect.stringContaining("feed-behind") });
    await drain();
    expect(await feeds.state(get(byPerson.path))).toMatchObject({ tracing: null });
    await erase(configured, "a");
    await configured.close();
  });
});
