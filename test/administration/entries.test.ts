import { afterEach, beforeEach, describe, expect, test } from "bun:test";

import { ENTRY_TYPES, type EntryType } from "../../src/administration/catalog.ts";
import { examine } from "../../src/doctor/doctor.ts";
import type { Database } from "../../src/storage/database.ts";
import { jsonPost, openApp, takeEvents, type TestApp, type WireEvent } from "../support/app.ts";
import { forEachDeployment } from "../support/deployments.ts";

const isKnown = (type: string): type is EntryType => type in ENTRY_TYPES;

/** The entries of a store, each valid by the catalog. */
async function entriesOf(app: TestApp, query = ""): Promise<WireEvent[]> {
  const entries = await app.get(`/operations${query}`);
  for (const { type, data } of entries) {
    if (!isKnown(type)) throw new Error(`${type} is not in the catalog`);
    expect(ENTRY_TYPES[type].data.safeParse(data).error).toBeUndefined();
  }
  return entries;
}

const shown = ({ subject, type, data }: WireEvent) => [subject, type, data] as const;

forEachDeployment(["memory", "file", "sqld", "worker"], (deployment) => {
  describe(`the log of administration (${deployment.name})`, () => {
    let app: TestApp;
    let database: Database;
    let dispose: () => Promise<void>;
    beforeEach(async () => {
      const opened = await deployment.open();
      ({ dispose } = opened);
      database = opened.database();
      app = await openApp({ database });
    });
    afterEach(async () => {
      expect(await examine(database)).toEqual([]);
      await app.close();
      await dispose();
    });

    const remove = (path: string) => app.fetch(path, { method: "DELETE" });

    test("records truncations and erasures of streams, and no refused ones", async () => {
      await app.append("s", { type: "A" }, { type: "A" }, { type: "A" });
      await app.append("shop/1", { type: "A" });
      expect((await remove("/streams/s?before=2")).status).toBe(200);
      expect((await remove("/streams/s?before=2")).status).toBe(200);
      expect((await remove("/streams/s?before=9")).status).toBe(400);
      expect((await remove("/streams/shop%2F1?reason=asked")).status).toBe(200);
      expect((await remove("/streams/shop%2F1?reason=again")).status).toBe(409);
      expect((await remove("/streams/none?reason=asked")).status).toBe(404);
      const entries = await entriesOf(app);
      expect(entries.map(shown)).toEqual([
        ["/streams/s", "kilde.stream.truncated", { principal: null, reason: null, before: 2 }],
        ["/streams/shop/1", "kilde.stream.erased", { principal: null, reason: "asked" }],
      ]);
      expect(entries.map(({ id, sequence, source }) => [id, Number(sequence), source])).toEqual([
        ["1", 1, "/operations"],
        ["2", 1, "/operations"],
      ]);
    });

    test("an erasure that is repeated with its key is recorded once", async () => {
      await app.append("s", { type: "A" });
      const erase = () =>
        app.fetch("/streams/s?reason=asked", { method: "DELETE", headers: { "idempotency-key": "k" } });
      expect((await erase()).status).toBe(200);
      expect((await erase()).headers.get("idempotency-replayed")).toBe("true");
      expect(await entriesOf(app)).toHaveLength(1);
    });

    test("erasures that share a commit get an entry each, in order of position", async () => {
      const names = Array.from({ length: 20 }, (_, n) => `s-${n}`);
      for (const name of names) await app.append(name, { type: "A" });
      await Promise.all(names.map((name) => remove(`/streams/${name}?reason=${name}`)));
      const entries = await entriesOf(app);
      expect(entries.map(({ id }) => Number(id))).toEqual(names.map((_, n) => n + 1));
      expect(new Set(entries.map(({ subject }) => subject))).toEqual(
        new Set(names.map((name) => `/streams/${name}`)),
      );
    });

    test("records that a consumer goes back, and no commit that goes forward", async () => {
      await app.append("s", { type: "A" }, { type: "A" }, { type: "A" });
      const commit = (position: number, rewind = false) =>
        app.fetch("/events/consumers/cards", {
          ...jsonPost({ position, rewind }),
          method: "PUT",
        });
      expect((await commit(3)).status).toBe(200);
      expect((await commit(1)).status).toBe(409);
      expect((await commit(1, true)).status).toBe(200);
      expect((await commit(2, true)).status).toBe(200);
      expect((await entriesOf(app)).map(shown)).toEqual([
        ["/events/consumers/cards", "kilde.consumer.rewound", { principal: null, from: 3, to: 1 }],
      ]);
    });

    test("records each change of a subscription", async () => {
      await app.append("s", { type: "A" });
      const created = await app.fetch(
        "/subscriptions",
        jsonPost({ source: "/events", url: "http://127.0.0.1:9/hook", start: "now" }),
      );
      expect(created.status).toBe(201);
      const { subscription } = (await created.json()) as { subscription: string };
      const path = `/subscriptions/${subscription}`;
      const call = async (suffix: string, method = "POST", body: object = {}) => {
        const response = await app.fetch(path + suffix, { ...jsonPost(body), method });
        expect(response.ok).toBe(true);
      };
      await call("/pause", "POST", { reason: "maintenance" });
      await call("", "PATCH", { types: ["A"], concurrency: 3 });
      await call("", "PATCH", { concurrency: 3 });
      await call("/rotate-secret");
      await call("/rewind", "POST", { after: 0, dryRun: true });
      await call("/rewind", "POST", { after: 0, upTo: 1 });
      await call("/rewind", "POST", { after: 0, upTo: 1, subjects: ["s"] });
      await call("/resume");
      await call("", "DELETE");
      const principal = null;
      const entries = (await entriesOf(app)).filter(({ type }) => type !== "kilde.subscription.down");
      expect(entries.map(shown)).toEqual([
        [path, "kilde.subscription.created", { principal, source: "/events" }],
        [path, "kilde.subscription.paused", { principal, reason: "maintenance" }],
        [path, "kilde.subscription.changed", { principal, changed: ["types", "concurrency"] }],
        [path, "kilde.subscription.changed", { principal, changed: ["secret"] }],
        [path, "kilde.subscription.rewound", { principal, after: 0, upTo: 1, subjects: null }],
        [path, "kilde.subscription.rewound", { principal, after: 0, upTo: 1, subjects: ["s"] }],
        [path, "kilde.subscription.resumed", { principal }],
        [path, "kilde.subscription.removed", { principal, source: "/events" }],
      ]);
      expect((await app.fetch(path, { method: "DELETE" })).status).toBe(404);
    });

    test("a follower gets an entry as it is added", async () => {
      await app.append("s", { type: "A" }, { type: "A" });
      const polling = app.get("/operations?timeout=20000");
      const streaming = app.fetch("/operations", { headers: { accept: "text/event-stream" } });
      const started = performance.now();
      await Bun.sleep(50);
      await remove("/streams/s?before=2");
      expect((await polling).map(({ type }) => type)).toEqual(["kilde.stream.truncated"]);
      expect((await takeEvents(await streaming, 1)).map(({ event }) => event)).toEqual([
        "kilde.stream.truncated",
      ]);
      expect(performance.now() - started).toBeLessThan(15_000);
    });

    test("has subjects, consumers and pages by type and prefix like every log", async () => {
      await app.append("s", { type: "A" }, { type: "A" });
      await remove("/streams/s?before=2");
      await remove("/streams/s?reason=asked");
      expect((await entriesOf(app, "?type=kilde.stream.erased")).map(({ id }) => id)).toEqual(["2"]);
      expect(await entriesOf(app, "?subjectPrefix=/feeds/")).toEqual([]);
      const { subjects } = await app.get<{ subjects: object[] }>("/operations/subjects");
      expect(subjects).toMatchObject([{ subject: "/streams/s", version: 2, position: 2 }]);
      const ofStream = await app.get("/operations/subjects/%2Fstreams%2Fs");
      expect(ofStream.map(({ sequence }) => Number(sequence))).toEqual([1, 2]);
      const put = { ...jsonPost({ position: 1 }), method: "PUT" };
      expect((await app.fetch("/operations/consumers/ops", put)).status).toBe(200);
      const consumer = await app.get<object>("/operations/consumers/ops");
      expect(consumer).toMatchObject({ consumer: "ops", committed: 1, lag: { events: 1 } });
      const append = await app.fetch("/streams/x", jsonPost({ events: [{ type: "kilde.stream.erased" }] }));
      expect(append.status).toBe(422);
    });
  });
});
