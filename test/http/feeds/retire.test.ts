import { afterEach, beforeEach, expect, test } from "bun:test";

import { createClient } from "../../../src/client/index.ts";
import { examine } from "../../../src/doctor/doctor.ts";
import type { Database } from "../../../src/storage/database.ts";
import type { Feed } from "../../../src/feeds/feed.ts";
import { eventually } from "../../support/eventually.ts";
import { openApp, type Problem, type TestApp } from "../../support/app.ts";
import { newDatabase } from "../../support/new-database.ts";
import { counted, sketch } from "../../support/feeds.ts";
import { openProjection } from "../../support/projection.ts";
import { runsOn } from "../../support/tested-on.ts";

runsOn(["memory", "sqld"]);

const OLD = sketch({ name: "orders" });
const NEW = sketch({ name: "orders", version: 2, project: counted });
const DRAFT: Feed = { ...sketch({ name: "orders", version: 3, project: counted }), draft: true };
const ALL = [OLD, NEW, DRAFT];

let database: Database;
let app: TestApp;
beforeEach(async () => {
  database = await newDatabase();
  app = await openApp({ database, feeds: ALL });
});
afterEach(async () => {
  expect(await examine(database)).toEqual([]);
  await app.close();
});

const projection = (feeds: readonly Feed[] = ALL) =>
  openProjection({ database, writer: app.store.writer }, feeds);

async function problemIn(response: Response): Promise<Problem> {
  return (await response.json()) as Problem;
}

async function problemOf(path: string, init?: RequestInit): Promise<Problem> {
  return problemIn(await app.fetch(path, init));
}

async function rowsOf(sql: string): Promise<readonly unknown[]> {
  return (await database.read({ sql, args: [] })).map(([value]) => value);
}

const isRetired = async () =>
  (await rowsOf("select status from feeds where name = 'orders' and version = 1"))[0] === "retired";

/** Enough that it is deleted in several steps. */
async function fill(count = 1_200): Promise<void> {
  for (let done = 0; done < count; done += 400) {
    const events = Array.from({ length: 400 }, (_, n) => ({ type: "A", data: done + n }));
    for (let n = 0; n < 400; n += 100) await app.append(`s-${done}-${n}`, ...events.slice(n, n + 100));
  }
}

const LOG_OF_V1 = "select id from logs where name = '/feeds/orders/v1'";

test("a retired version is gone at once, then deleted; others and the event log are untouched", async () => {
  await fill();
  const { drain } = await projection();
  await drain();
  const before = await app.get("/feeds/orders/v2?limit=2000");
  const retiring = await app.fetch("/feeds/orders/v1", { method: "DELETE" });
  expect(retiring.status).toBe(202);
  expect(await retiring.json()).toMatchObject({ feed: "orders", version: 1, status: "retiring" });
  for (const path of ["", "/subjects", "/subjects/s-0-0", "/schemas", "/consumers"]) {
    expect(await problemOf(`/feeds/orders/v1${path}`)).toMatchObject({
      type: "/problems/feed-retired",
      status: 410,
    });
  }
  // Appends continue meanwhile.
  await app.append("s-1", { type: "A" });
  await eventually(isRetired);
  const left = `select count(*) from events where key / 1099511627776 = (${LOG_OF_V1})`;
  expect(await rowsOf(left)).toEqual([0]);
  expect(await rowsOf(`select count(*) from subjects where log = (${LOG_OF_V1})`)).toEqual([0]);
  expect(await problemOf("/feeds/orders/v1/status")).toMatchObject({ status: 410 });
  const { feeds } = await app.get<{ feeds: object[] }>("/feeds");
  expect(feeds).toMatchObject([{ version: 2 }, { version: 3 }]);
  expect(await app.get("/feeds/orders/v2?limit=2000")).toEqual(before);
  expect(await app.get("/events?limit=2000")).toHaveLength(1_201);
});

test("a retired feed does not return, and a restart deletes the events that were left", async () => {
  await fill(400);
  const { drain } = await projection();
  await drain();
  // As a process that was killed just after the answer leaves it.
  await database.write([
    { sql: "update feeds set status = 'retiring', epoch = epoch + 1 where version = 1", args: [] },
  ]);
  const again = await projection();
  expect(again.registered.map(({ feed }) => feed.path)).toEqual(
    [NEW.path, DRAFT.path].toSpliced(0, 0, OLD.path),
  );
  await eventually(isRetired);
  const later = await projection();
  expect(later.registered.map(({ feed }) => feed.path)).toEqual([NEW.path, DRAFT.path]);
  const restarted = await openApp({
    database: { ...database, close: () => {} },
    feeds: [NEW, DRAFT],
    isShared: true,
  });
  expect(await (await restarted.fetch("/feeds/orders/v1")).json()).toMatchObject({
    type: "/problems/feed-retired",
    status: 410,
  });
  expect((await restarted.fetch("/feeds/orders/v9")).status).toBe(404);
  await restarted.close();
  await later.drain();
  expect(await rowsOf(`select count(*) from subjects where log = (${LOG_OF_V1})`)).toEqual([0]);
});

test("a version that is read is not retired, unless by force", async () => {
  await app.append("s-1", { type: "A" });
  await (await projection()).drain();
  await app.get("/feeds/orders/v1", { "kilde-consumer": "cards" });
  const refused = await problemOf("/feeds/orders/v1", { method: "DELETE" });
  expect(refused).toMatchObject({ type: "/problems/feed-in-use", status: 409 });
  expect(refused.detail).toContain('"cards"');
  expect(await app.get("/feeds/orders/v1")).toHaveLength(1);
  expect((await app.fetch("/feeds/orders/v1?force=true", { method: "DELETE" })).status).toBe(202);
  await eventually(isRetired);
});

test("a version is not retired while it cannot be written who reads it", async () => {
  await app.append("s-1", { type: "A" });
  await (await projection()).drain();
  let failing = 0;
  const write: Database["write"] = (statements) => {
    if (failing === 0) return database.write(statements);
    failing -= 1;
    return Promise.reject(new Error("the disk is full"));
  };
  const elsewhere = await openApp({ database: { ...database, write }, feeds: ALL });
  await elsewhere.get("/feeds/orders/v1", { "kilde-consumer": "cards" });
  failing = 1;
  expect((await elsewhere.fetch("/feeds/orders/v1", { method: "DELETE" })).status).toBeGreaterThanOrEqual(
    500,
  );
  expect((await elsewhere.fetch("/feeds/orders/v1", { method: "DELETE" })).status).toBe(409);
});

test("a version is retired or resumed, and a draft rebuilt, also when the libSQL server is busy at first", async () => {
  await app.append("s-1", { type: "A" });
  await (await projection()).drain();
  let busy = 0;
  const write: Database["write"] = (statements) => {
    if (busy === 0) return database.write(statements);
    busy -= 1;
    return Promise.reject(Object.assign(new Error("database is locked"), { code: "SQLITE_BUSY" }));
  };
  const elsewhere = await openApp({ database: { ...database, embedded: false, write }, feeds: ALL });
  await database.write([{ sql: "update feeds set status = 'halted' where version = 2", args: [] }]);
  for (const [path, method] of [
    ["/feeds/orders/v1", "DELETE"],
    ["/feeds/orders/v2/resume", "POST"],
    ["/feeds/orders/v3/rebuild", "POST"],
  ] as const) {
    busy = 2;
    expect((await elsewhere.fetch(path, { method })).ok).toBe(true);
  }
  const statuses = await rowsOf("select status from feeds where name = 'orders' order by version");
  expect(statuses).not.toContain("live");
  expect(statuses).not.toContain("halted");
});

test("a consumer that has not read for long does not keep a version", async () => {
  await app.append("s-1", { type: "A" });
  await app.get("/feeds/orders/v1", { "kilde-consumer": "gone" });
  await app.get("/feeds/orders/v1/consumers");
  await database.write([{ sql: "update consumers set seen = '2020-01-01T00:00:00.000Z'", args: [] }]);
  expect((await app.fetch("/feeds/orders/v1", { method: "DELETE" })).status).toBe(202);
});

test("a version that is a source of another is not retired", async () => {
  const down = sketch({ name: "down", source: { log: OLD.path, types: ["PublicA"] } });
  const own = await openApp({ feeds: [OLD, down] });
  const response = await own.fetch("/feeds/orders/v1?force=true", { method: "DELETE" });
  expect(response.status).toBe(409);
  expect(((await response.json()) as Problem).detail).toContain("/feeds/down/v1");
  await own.close();
});

test("a draft is built again with the drafts that are projected from it, or not at all", async () => {
  const of = (name: string, draft: boolean) =>
    sketch({ name, draft, source: { log: DRAFT.path, types: ["PublicA"] } });
  const [again, fixed] = [of("again", true), of("fixed", false)];
  const rebuild = (server: TestApp) => server.fetch("/feeds/orders/v3/rebuild", { method: "POST" });
  const refusing = await openApp({ feeds: [DRAFT, again, fixed] });
  const refused = await rebuild(refusing);
  expect(refused.status).toBe(409);
  expect((await refused.json()) as Problem).toMatchObject({
    type: expect.stringContaining("feed-in-use"),
    detail: expect.stringContaining("/feeds/fixed/v1"),
  });
  await refusing.close();

  const own = await newDatabase();
  const server = await openApp({ database: own, feeds: [DRAFT, again] });
  await server.append("s-1", { type: "A", data: 1 }, { type: "A", data: 2 });
  const { drain, feeds, get } = await openProjection({ database: own, writer: server.store.writer }, [
    DRAFT,
    again,
  ]);
  await drain();
  expect((await rebuild(server)).status).toBe(202);
  await eventually(async () => (await feeds.state(get(again.path)))?.status === "building");
  await drain();
  const events = await server.get(again.path);
  expect(events.map(({ id, sequence }) => [id, Number(sequence)])).toEqual([
    ["3", 1],
    ["4", 2],
  ]);
  await server.close();
});

test("a draft that is about to be built again shows nothing of before", async () => {
  await app.append("s-1", { type: "A", data: 1 });
  await (await projection()).drain();
  const { path } = DRAFT;
  const paths = [path, `${path}/subjects`, `${path}/subjects/s-1`, `${path}?timeout=1000`];
  for (const each of paths) expect((await app.fetch(each)).status).toBe(200);
  await database.write([
    {
      sql: "update feeds set status = 'rebuilding', epoch = epoch + 1 where log = (select id from logs where name = ?)",
      args: [path],
    },
  ]);
  for (const each of paths) {
    expect(await problemOf(each)).toMatchObject({ type: "/problems/feed-behind", status: 503 });
  }
  expect(await app.get(`${path}/status`)).toMatchObject({ status: "rebuilding" });
});

test("a draft is built again, on the positions that follow; a published version is not", async () => {
  await app.append("s-1", { type: "A", data: 1 }, { type: "A", data: 2 });
  const { drain, run } = await projection();
  await drain();
  expect(await problemOf("/feeds/orders/v2/rebuild", { method: "POST" })).toMatchObject({
    type: "/problems/feed-published",
  });
  await database.write([{ sql: "update leases set expires = 0", args: [] }]);
  const running = run("one", app.store.reader);
  const before = await app.get("/feeds/orders/v3");
  expect((await app.fetch("/feeds/orders/v3/rebuild", { method: "POST" })).status).toBe(202);
  await eventually(async () => {
    const { status } = await app.get<{ status: string }>("/feeds/orders/v3/status");
    return status === "live";
  });
  const after = await app.get("/feeds/orders/v3");
  const logidentity = after[0]?.logidentity ?? "";
  const moved = before.map((event) => ({ ...event, id: String(Number(event.id) + 2), logidentity }));
  expect(after).toEqual(moved);
  const earlier = `2-${before[0]?.logidentity}`;
  expect(earlier).not.toContain(logidentity);
  expect(await problemOf(`/feeds/orders/v3?lastEventId=${earlier}`)).toMatchObject({
    type: "/problems/log-restored",
    status: 409,
    parted: 0,
    log: logidentity,
  });
  await app.append("s-1", { type: "A", data: 3 });
  await eventually(async () => (await app.get("/feeds/orders/v3/subjects/s-1")).length === 3);
  await running.stop();
});

for (const [where, retiresElsewhere] of [
  ["this process", false],
  ["another process", true],
] as const) {
  test(`followers and long-polls of a version that ${where} retires end, with the error that it was retired`, async () => {
    await app.append("s-1", { type: "A" });
    await (await projection()).drain();
    const other = retiresElsewhere ? await openApp({ database, feeds: ALL }) : app;
    const client = createClient({
      url: "http://kilde.test",
      fetch: (url, init) => app.fetch(url.slice(17), init),
    });
    const failureOf = async (work: AsyncIterable<unknown>) => {
      try {
        for await (const _ of work);
        return null;
      } catch (error) {
        return error;
      }
    };
    let seen = 0;
    const onLog = () => (seen += 1);
    const feed = "orders/v1";
    const lastEventId = (await app.get(`/feeds/${feed}`))[0]?.id ?? "0";
    const following = [
      failureOf(client.follow({ feed, lastEventId, onLog })),
      failureOf(client.follow({ feed, subject: "s-1", lastEventId, onLog })),
    ];
    const polling = app.fetch(`/feeds/${feed}?timeout=60000&lastEventId=${lastEventId}`);
    await eventually(async () => seen === 2);
    await Bun.sleep(50);
    expect((await other.fetch(`/feeds/${feed}`, { method: "DELETE" })).status).toBe(202);
    for (const failure of await Promise.all(following))
      expect(failure).toMatchObject({ code: "feed-retired" });
    expect(await problemIn(await polling)).toMatchObject({ type: "/problems/feed-retired", status: 410 });
    await eventually(isRetired);
    if (retiresElsewhere) await other.feeds.close();
  });
}

test("a version that another process has just seen a consumer of is not retired", async () => {
  const other = await openApp({ database, feeds: ALL, isShared: true });
  await app.append("s-1", { type: "A" });
  await (await projection()).drain();
  await app.get("/feeds/orders/v1", { "kilde-consumer": "cards" });
  const refused = await problemIn(await other.fetch("/feeds/orders/v1", { method: "DELETE" }));
  expect(refused).toMatchObject({
    type: "/problems/feed-in-use",
    detail: expect.stringContaining('"cards"'),
  });
  await other.feeds.close();
});
