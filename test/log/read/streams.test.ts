import { afterEach, beforeEach, describe, expect, test } from "bun:test";

import { examine } from "../../../src/doctor/doctor.ts";
import type { Database } from "../../../src/storage/database.ts";
import { eventually } from "../../support/eventually.ts";
import { jsonPost, openApp, takeEvents, type TestApp, type WireEvent } from "../../support/app.ts";
import { forEachDeployment } from "../../support/deployments.ts";

interface StreamInfo {
  readonly stream: string;
  readonly version: number;
  readonly position: number;
  readonly firstVersion: number;
  readonly erased: boolean;
}

forEachDeployment(["memory", "file", "sqld", "worker"], (deployment) => {
  describe(`streams (${deployment.name})`, () => {
    let app: TestApp;
    let database: Database;
    let opened: Awaited<ReturnType<typeof deployment.open>>;
    beforeEach(async () => {
      opened = await deployment.open();
      database = opened.database();
      app = await openApp({ database });
    });
    afterEach(async () => {
      expect(await examine(database)).toEqual([]);
      await app.close();
      await opened.dispose();
    });

    const list = async (query: string) =>
      (await app.get<{ streams: StreamInfo[] }>(`/streams?${query}`)).streams;
    const names = async (query: string) => (await list(query)).map(({ stream }) => stream);
    const remove = (stream: string, query: string, headers: Record<string, string> = {}) =>
      app.fetch(`/streams/${stream}?${query}`, { method: "DELETE", headers });

    test("are listed by name, by prefix and by cursor", async () => {
      for (const name of ["b", "a/2", "a/1", "ä", "a", "😀", "Z"]) await app.append(name, { type: "T" });
      await app.append("a", { type: "T" });
      expect(await names("")).toEqual(["Z", "a", "a/1", "a/2", "b", "ä", "😀"]);
      expect(await names("prefix=a")).toEqual(["a", "a/1", "a/2"]);
      expect(await names("prefix=a/&limit=1")).toEqual(["a/1"]);
      expect(await names("limit=2&cursor=a")).toEqual(["a/1", "a/2"]);
      expect(await list("prefix=a&limit=1")).toMatchObject([
        { stream: "a", version: 2, position: 8, firstVersion: 1, erased: false },
      ]);
      const response = await app.fetch("/streams?limit=2");
      expect(response.headers.get("link")).toContain('</streams?limit=2&cursor=a>; rel="next"');
      expect((await app.fetch("/streams?limit=100")).headers.get("link")).not.toContain("next");
    });

    test("are listed in order of their last event since a position", async () => {
      for (const name of ["a", "b", "c", "a", "d", "b"]) await app.append(name, { type: "T" });
      expect(await names("changedSince=0")).toEqual(["c", "a", "d", "b"]);
      expect(await names("changedSince=4")).toEqual(["d", "b"]);
      expect(await names("changedSince=6")).toEqual([]);
      expect(await names("changedSince=0&prefix=b")).toEqual(["b"]);
      const response = await app.fetch("/streams?changedSince=0&limit=2");
      expect(response.headers.get("link")).toMatch(
        /<\/streams\?changedSince=4-[0-9a-f]{16}&limit=2>; rel="next"/,
      );
      expect((await app.fetch("/streams?changedSince=0&cursor=a")).status).toBe(400);
    });

    test("truncating removes the events below a version, and nothing else changes", async () => {
      await app.append("s", ...Array.from({ length: 10 }, (_, data) => ({ type: "T", data })));
      await app.append("t", { type: "T" });
      const response = await remove("s", "before=8");
      expect(await response.json()).toEqual({ stream: "s", version: 10, firstVersion: 8 });
      const versions = (events: WireEvent[]) => events.map(({ sequence }) => Number(sequence));
      expect(versions(await app.get("/streams/s"))).toEqual([8, 9, 10]);
      expect(versions(await app.get("/streams/s?lastEventId=2"))).toEqual([8, 9, 10]);
      expect(versions(await app.get("/streams/s?direction=backwards"))).toEqual([10, 9, 8]);
      expect((await app.get("/events")).map(({ id }) => id)).toEqual(["8", "9", "10", "11"]);
      expect((await list("prefix=s"))[0]).toMatchObject({ version: 10, firstVersion: 8, position: 10 });
      const next = await app.append("s", { type: "T" });
      expect(next).toMatchObject({ version: 11, position: 12 });
      expect((await remove("s", "before=3")).status).toBe(200);
      expect(versions(await app.get("/streams/s"))).toEqual([8, 9, 10, 11]);
    });

    test("truncating keeps the last event, and refuses missing streams and versions", async () => {
      await app.append("s", { type: "T" }, { type: "T" });
      expect((await remove("s", "before=3")).status).toBe(400);
      expect((await remove("s", "before=2")).status).toBe(200);
      expect(await app.get("/streams/s")).toHaveLength(1);
      expect((await remove("none", "before=1")).status).toBe(404);
      expect((await remove("s", "before=2", { "if-match": '"1"' })).status).toBe(412);
      expect((await remove("s", "")).status).toBe(400);
      expect((await remove("s", "before=1&reason=both")).status).toBe(400);
    });

    test("erasing leaves a tombstone that readers and followers see", async () => {
      await app.append("gone", ...Array.from({ length: 3 }, (_, data) => ({ type: "T", data })));
      await app.append("kept", { type: "T" });
      const following = takeEvents(
        await app.fetch("/events?lastEventId=4", { headers: { accept: "text/event-stream" } }),
        1,
      );
      const response = await remove("gone", "reason=asked%20for");
      expect(await response.json()).toEqual({ stream: "gone", version: 4, position: 5 });
      const tombstone = { type: "kilde.erased", subject: "gone", method: "DELETE", reason: "asked for" };
      expect(await app.get("/streams/gone")).toMatchObject([
        { ...tombstone, sequence: "0000000000000004", id: "5" },
      ]);
      expect((await app.get("/events")).map(({ id }) => id)).toEqual(["4", "5"]);
      expect((await following)[0]?.data).toMatchObject(tombstone);
      expect((await list("prefix=gone"))[0]).toMatchObject({ version: 4, erased: true });
    });

    test("an erased stream takes appends only when its tombstone is expected", async () => {
      await app.append("s", { type: "T" });
      await remove("s", "reason=r");
      for (const expectedVersion of [undefined, "any", "exists", 0, 1]) {
        const response = await app.fetch(
          "/streams/s",
          jsonPost({ events: [{ type: "T" }], expectedVersion }),
        );
        expect(response.status).toBe(409);
        expect(await response.json()).toMatchObject({ currentVersion: 2 });
      }
      expect((await remove("s", "reason=again")).status).toBe(409);
      const begun = await app.fetch("/streams/s", jsonPost({ events: [{ type: "T" }], expectedVersion: 2 }));
      expect(await begun.json()).toMatchObject({ version: 3 });
      expect((await app.append("s", { type: "T" })).version).toBe(4);
      expect((await app.get("/streams/s")).map(({ sequence }) => Number(sequence))).toEqual([2, 3, 4]);
      expect((await list("prefix=s"))[0]).toMatchObject({ erased: false, firstVersion: 2 });
    });

    test("truncated and erased events are deleted, not only hidden", async () => {
      await app.append("s", ...Array.from({ length: 1_200 }, () => ({ type: "T", data: "secret" })));
      await app.append("t", ...Array.from({ length: 1_200 }, () => ({ type: "T", data: "secret" })));
      await remove("s", "reason=r");
      await remove("t", "before=1200");
      const count = async () =>
        (await database.read({ sql: "select count(*) from events where key < 1 << 40", args: [] }))[0]?.[0];
      await eventually(async () => (await count()) === 2);
    });

    test("erasing states its expectation like an append", async () => {
      await app.append("s", { type: "T" });
      expect((await remove("s", "reason=r", { "if-match": '"2"' })).status).toBe(412);
      expect((await remove("s", "reason=r", { "if-match": '"1"' })).status).toBe(200);
      expect((await remove("none", "reason=r")).status).toBe(404);
    });
  });
});
