import { afterEach, beforeEach, describe, expect, test } from "bun:test";

import { examine } from "../../../src/doctor/doctor.ts";
import type { Database } from "../../../src/storage/database.ts";
import { applyErasures, type Erasure, listErasures } from "../../../src/log/erase/erasures.ts";
import { EVENT_LOG_ADDRESS } from "../../../src/log/keys.ts";
import { eventually } from "../../support/eventually.ts";
import { jsonPost, openApp, type TestApp } from "../../support/app.ts";
import { forEachDeployment } from "../../support/deployments.ts";

async function recordedIn(database: Database, after = 0): Promise<Erasure[]> {
  return Array.fromAsync(listErasures(database, EVENT_LOG_ADDRESS, { after }));
}

const SET_BACK = { sql: "update events set recorded = '2020-01-01T00:00:00.000Z'", args: [] };

forEachDeployment(["memory", "file", "sqld"], (deployment) => {
  describe(`erasures (${deployment.name})`, () => {
    const opened: { app: TestApp; database: Database; dispose: () => Promise<void> }[] = [];
    const open = async () => {
      const { database: connect, dispose } = await deployment.open();
      const database = connect();
      const app = await openApp({ database });
      opened.push({ app, database, dispose });
      return { app, database };
    };
    let app: TestApp;
    let database: Database;
    beforeEach(async () => ({ app, database } = await open()));
    afterEach(async () => {
      for (const one of opened.splice(0)) {
        expect(await examine(one.database)).toEqual([]);
        await one.app.close();
        await one.dispose();
      }
    });

    const erase = async (where: TestApp, stream: string, reason = "asked") => {
      const response = await where.fetch(`/streams/${stream}?reason=${reason}`, { method: "DELETE" });
      expect(response.status).toBeLessThan(300);
    };
    const typesOf = async (where: TestApp, stream: string) =>
      (await where.get(`/streams/${stream}`)).map(({ type }) => type);

    test("are recorded with the place of their tombstone", async () => {
      await app.append("a", { type: "T" }, { type: "T" });
      await app.append("b", { type: "T" });
      await erase(app, "a", "first");
      await erase(app, "b", "second");
      const [tombstone] = await app.get("/streams/a");
      expect(await recordedIn(database)).toEqual([
        { subject: "a", version: 3, position: 4, recorded: tombstone?.time ?? "", reason: "first" },
        { subject: "b", version: 2, position: 5, recorded: expect.any(String), reason: "second" },
      ]);
      expect(await recordedIn(database, 4)).toMatchObject([{ subject: "b" }]);
    });

    test("are recorded with the whole reason: one with U+0000, where a column may end, is refused", async () => {
      await app.append("a", { type: "T" });
      const refused = await app.fetch("/streams/a?reason=asked%00by", { method: "DELETE" });
      expect(refused.status).toBe(400);
      expect(await refused.json()).toMatchObject({
        type: "/problems/invalid-parameter",
        errors: [{ parameter: "reason", detail: "must not contain U+0000" }],
      });
      await erase(app, "a", encodeURIComponent("asked\r\n\u0001 by Åse"));
      expect(await recordedIn(database)).toMatchObject([{ subject: "a", reason: "asked\r\n\u0001 by Åse" }]);
    });

    test("are applied to the events before them, once, when they are of another store", async () => {
      await app.append("ida", { type: "T" }, { type: "T" });
      await app.append("bo", { type: "T" });
      await erase(app, "ida", "asked");
      await erase(app, "bo", "asked");
      const erasures = await recordedIn(database);

      const before = await open();
      const clockOfOriginal = erasures[0]?.recorded ?? "";
      await before.app.append("ida", { type: "T" });
      await before.app.append("eva", { type: "T" });
      // As in a backup that was taken before the erasure.
      await before.database.write([SET_BACK]);
      const apply = () => applyErasures({ ...before, writer: before.app.store.writer }, erasures);
      expect(await apply()).toBe(1);
      expect(await typesOf(before.app, "ida")).toEqual(["kilde.erased"]);
      expect(await typesOf(before.app, "eva")).toEqual(["T"]);
      expect(await recordedIn(before.database)).toMatchObject([
        { subject: "ida", version: 2, reason: "asked" },
      ]);
      expect(((await recordedIn(before.database))[0]?.recorded ?? "") >= clockOfOriginal).toBe(true);

      const again = jsonPost({ events: [{ type: "Again" }] }, { "if-match": '"2"' });
      expect((await before.app.fetch("/streams/ida", again)).status).toBe(201);
      expect(await apply()).toBe(0);
      expect(await typesOf(before.app, "ida")).toEqual(["kilde.erased", "Again"]);
    });

    test("reach the snapshots that deciders keep of a stream, and no later ones", async () => {
      const stream = "account/81";
      const snapshots = ["snapshots/account/v1/account/81", "snapshots/my/account/v12/account/81"];
      const others = ["snapshots/account/v1/account/8", "snapshots/account/v1/81", "snapshots/account/81"];
      const snapshot = (version: number) => ({ type: "SnapshotTaken", data: { version, state: "secret" } });
      await app.append(stream, { type: "T" }, { type: "T" });
      for (const name of [...snapshots, ...others]) await app.append(name, snapshot(2));
      await erase(app, encodeURIComponent(stream));
      const typesAt = (name: string) => typesOf(app, encodeURIComponent(name));
      await eventually(
        async () => (await typesAt("snapshots/my/account/v12/account/81"))[0] === "kilde.erased",
      );
      expect(await typesAt("snapshots/account/v1/account/81")).toEqual(["kilde.erased"]);
      for (const name of others) expect(await typesAt(name)).toEqual(["SnapshotTaken"]);

      const again = jsonPost({ events: [{ type: "Again" }] }, { "if-match": '"3"' });
      expect((await app.fetch(`/streams/${encodeURIComponent(stream)}`, again)).status).toBe(201);
      const [name = ""] = snapshots;
      const revival = jsonPost({ events: [snapshot(4)] }, { "if-match": '"2"' });
      expect((await app.fetch(`/streams/${encodeURIComponent(name)}`, revival)).status).toBe(201);
      app.store.writer.sweep();
      await Bun.sleep(50);
      expect(await typesAt(name)).toEqual(["kilde.erased", "SnapshotTaken"]);
    });

    test("leave alone a subject that began after them", async () => {
      await app.append("ida", { type: "T" });
      const later: Erasure = {
        subject: "ida",
        version: 9,
        position: 12,
        recorded: "2020-01-01T00:00:00.000Z",
        reason: null,
      };
      expect(await applyErasures({ database, writer: app.store.writer }, [later])).toBe(0);
      expect(await typesOf(app, "ida")).toEqual(["T"]);
    });
  });
});
