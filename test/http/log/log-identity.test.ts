import { afterEach, beforeEach, describe, expect } from "bun:test";

import { systemClock } from "../../../src/core/system-clock.ts";
import { examine } from "../../../src/doctor/doctor.ts";
import { renewIdentities } from "../../../src/backup/renew-identities.ts";
import {
  jsonPost,
  openApp,
  type Problem,
  takeEvents,
  type TestApp,
  TEST_SECRET_KEY,
} from "../../support/app.ts";
import { openRestorable, type Restorable } from "../../support/restorable.ts";
import { testInProcess as test } from "../../support/tested-on.ts";

const SSE = { accept: "text/event-stream" };

interface Restored extends Problem {
  readonly log: string;
  readonly parted: number | null;
  readonly head: number;
}

let restorable: Restorable;
let app: TestApp;

beforeEach(async () => {
  restorable = await openRestorable();
  app = await openApp({ database: restorable.database, pollIntervalMs: 5, secretKeys: [TEST_SECRET_KEY] });
  await app.append("s", { type: "A", data: 1 }, { type: "A", data: 2 });
  await app.append("t", { type: "A", data: 3 });
});

afterEach(async () => {
  await app.close();
  restorable.dispose();
});

const identity = async () => (await app.fetch("/events?limit=1")).headers.get("kilde-log") ?? "";

const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  app.fetch(path, jsonPost(body, headers));

const appending = (headers: Record<string, string> = {}, more = {}) =>
  post("/streams/s", { events: [{ type: "A", data: 0 }], ...more }, headers);

async function restoredProblem(answer: Promise<Response>): Promise<Restored> {
  const response = await answer;
  const problem = (await response.json()) as Restored;
  expect([response.status, problem.type]).toEqual([409, "/problems/log-restored"]);
  expect(response.headers.get("kilde-log")).toBe(problem.log);
  return problem;
}

/** A backup after 3 events, two appends that it lacks, its restore, and one append. Gives the identity before. */
async function loseEvents(): Promise<string> {
  const before = await identity();
  const backup = await restorable.backUp();
  await app.append("s", { type: "Lost", data: 4 }, { type: "Lost", data: 5 });
  await restorable.restore(backup, "restore");
  await app.append("s", { type: "Other", data: 6 });
  return before;
}

describe("answers about a log", () => {
  test("name its identity", async () => {
    const log = await identity();
    expect(log).toMatch(/^[0-9a-f]{16}$/);
    const answers: readonly (readonly [string, RequestInit?])[] = [
      ["/events"],
      ["/events?lastEventId=3"],
      ["/events", { headers: { accept: "application/x-ndjson" } }],
      ["/events", { method: "HEAD" }],
      ["/streams/s"],
      ["/streams"],
      ["/streams?changedSince=1"],
      ["/streams/s", jsonPost({ events: [{ type: "A" }] }, { "idempotency-key": "k" })],
      ["/streams/s", jsonPost({ events: [{ type: "A" }] }, { "idempotency-key": "k" })],
      ["/streams/s", jsonPost({ events: [{ type: "A" }], expectedVersion: 99 })],
      ["/streams/s", jsonPost({ events: [{ type: "A" }] }, { "if-match": '"99"' })],
      ["/transactions", jsonPost({ appends: [{ stream: "u", events: [{ type: "A" }] }] })],
      ["/appends/k"],
      ["/streams/s?before=2", { method: "DELETE" }],
      ["/streams/t?reason=asked", { method: "DELETE" }],
    ];
    for (const [path, init] of answers) {
      expect([path, (await app.fetch(path, init)).headers.get("kilde-log")]).toEqual([path, log]);
    }
    const gone = new AbortController();
    const followed = await app.fetch("/events", { headers: SSE, signal: gone.signal });
    expect(followed.headers.get("kilde-log")).toBe(log);
    gone.abort();
  });

  test("carry it in every event, cursor and entity tag", async () => {
    const log = await identity();
    const page = await app.fetch("/events?lastEventId=1&limit=1");
    expect(page.headers.get("link")).toMatch(
      new RegExp(
        `<[^>]*lastEventId=1-${log}[^>]*>; rel="self".*<[^>]*lastEventId=2-${log}[^>]*>; rel="next".*<[^>]*lastEventId=2-${log}[^>]*>; rel="prev"`,
      ),
    );
    expect(await page.json()).toMatchObject([{ id: "2", logidentity: log }]);
    expect((await app.fetch("/streams/s")).headers.get("etag")).toStartWith(`"2-${log}`);
    // Also checks that each message has the cursor of its event.
    const [sent] = await takeEvents(await app.fetch("/events", { headers: SSE }), 1);
    expect(sent?.data.logidentity).toBe(log);
  });
});

describe("a cursor", () => {
  test("is accepted with the present identity or bare, and refused in another form", async () => {
    const log = await identity();
    const ids = async (cursor: string) =>
      (await app.get(`/events?lastEventId=${cursor}`)).map(({ id }) => Number(id));
    expect(await ids(`1-${log}`)).toEqual([2, 3]);
    expect(await ids("1")).toEqual([2, 3]);
    for (const wrong of ["1-", `1-${log}0`, `1-${log.toUpperCase()}x`, `-${log}`, "x", "1.5", `1_${log}`]) {
      expect([wrong, (await app.fetch(`/events?lastEventId=${wrong}`)).status]).toEqual([wrong, 400]);
      const headers = { ...SSE, "last-event-id": wrong };
      expect([wrong, (await app.fetch("/events", { headers })).status]).toEqual([wrong, 400]);
    }
  });

  test("is accepted with a former identity up to where the histories part, and refused beyond", async () => {
    const before = await loseEvents();
    const log = await identity();
    for (const [path, headers] of [
      ["/events", {}],
      ["/events?timeout=1000", {}],
      ["/events", SSE],
      ["/events?direction=backwards", {}],
      ["/streams/s", {}],
      ["/streams/s", SSE],
    ] as const) {
      const at = (position: number) =>
        app.fetch(`${path}${path.includes("?") ? "&" : "?"}lastEventId=${position}-${before}`, { headers });
      const good = await at(3);
      expect([path, good.status, good.headers.get("kilde-log")]).toEqual([path, 200, log]);
      await good.body?.cancel();
      for (const position of [4, 5, 99]) {
        expect(await restoredProblem(at(position))).toMatchObject({ log, parted: 3, head: 4 });
      }
    }
    expect((await app.get(`/events?lastEventId=3-${before}`)).map(({ type }) => type)).toEqual(["Other"]);
    expect(await restoredProblem(app.fetch(`/streams?changedSince=4-${before}`))).toMatchObject({
      parted: 3,
    });
  });

  test("is refused with an unknown identity, except from the start", async () => {
    const unknown = "0123456789abcdef";
    expect(await restoredProblem(app.fetch(`/events?lastEventId=1-${unknown}`))).toMatchObject({
      parted: null,
    });
    expect(await app.get(`/events?lastEventId=0-${unknown}`)).toHaveLength(3);
  });

  test("wins over one in the query when server-sent events carry it, and is judged", async () => {
    const before = await loseEvents();
    const headers = { ...SSE, "last-event-id": `5-${before}` };
    expect(await restoredProblem(app.fetch("/events?lastEventId=0", { headers }))).toMatchObject({
      parted: 3,
    });
  });
});

describe("a restore beneath a running server", () => {
  test("ends followers, whose next request reports it", async () => {
    const backup = await restorable.backUp();
    await app.append("s", { type: "Lost" });
    const following = await app.fetch("/events", { headers: SSE });
    const taken = takeEvents(following, 100);
    await Bun.sleep(20);
    await restorable.restore(backup, "restore");
    // It ends before there are so many.
    const last = (await taken).at(-1)?.data;
    expect(last?.id).toBe("4");
    const headers = { ...SSE, "last-event-id": `${last?.id}-${last?.logidentity}` };
    expect(await restoredProblem(app.fetch("/events", { headers }))).toMatchObject({ parted: 3 });
  });

  test("is reported to a pending long-poll, also with a bare cursor", async () => {
    const backup = await restorable.backUp();
    await app.append("s", { type: "Lost" });
    const polling = app.fetch("/events?lastEventId=4&timeout=20000");
    const early = app.fetch("/events?lastEventId=4&type=Other&timeout=20000");
    await Bun.sleep(20);
    await restorable.restore(backup, "renewal");
    expect(await restoredProblem(polling)).toMatchObject({ parted: 3 });
    expect(await restoredProblem(early)).toMatchObject({ parted: 3 });
  });

  test("lets a long-poll continue whose cursor is before it", async () => {
    const polled = async () => {
      for (;;) {
        const events = await app.get("/events?lastEventId=3&timeout=20000");
        // Empty when the server looks between the restore and the append: it validates the cursor again at the next poll.
        if (events.length > 0) return events;
      }
    };
    const polling = polled();
    await Bun.sleep(20);
    await renewIdentities(restorable.database, systemClock);
    await app.append("s", { type: "New" });
    expect(await polling).toMatchObject([{ id: "4", type: "New" }]);
  });

  test("leaves nothing of what the server knew of streams", async () => {
    const backup = await restorable.backUp();
    await app.append("new-1", { type: "Lost" });
    await app.append("new-2", { type: "Lost" }, { type: "Lost" });
    await restorable.restore(backup, "restore");
    // The numbers of the lost streams are given to others now.
    expect(await app.append("new-2", { type: "B" })).toMatchObject({ version: 1, position: 4 });
    expect(await app.append("new-1", { type: "B" })).toMatchObject({ version: 1, position: 5 });
    expect(await app.get("/streams/new-1")).toHaveLength(1);
    expect((await appending({}, { expectedVersion: 2 })).status).toBe(201);
  });
});

describe("consumers, after a restore beneath a running server,", () => {
  test("are noted within the log as it is now, and cannot commit what it no longer has", async () => {
    const backup = await restorable.backUp();
    await app.append("s", { type: "Lost" }, { type: "Lost" });
    for (const name of ["known", "new"]) {
      await app.get("/events", { "kilde-consumer": name });
      if (name === "known") await app.get("/events/consumers");
    }
    await restorable.restore(backup, "renewal");
    const log = await identity();
    const listed = await app.fetch("/events/consumers");
    expect(listed.headers.get("kilde-log")).toBe(log);
    expect(await listed.json()).toMatchObject({ consumers: [{ consumer: "new", sent: 3 }] });
    const commit = (position: number) =>
      app.fetch("/events/consumers/c", { ...jsonPost({ position }), method: "PUT" });
    expect((await commit(5)).status).toBe(400);
    const committed = await commit(3);
    expect([committed.status, committed.headers.get("kilde-log")]).toEqual([200, log]);
    expect(await examine(restorable.database)).toEqual([]);
  });
});

describe("a write", () => {
  test("is done when it was decided on the present history; an entity tag alone states it", async () => {
    const log = await identity();
    expect((await appending({ "kilde-log": log }, { expectedVersion: 2 })).status).toBe(201);
    expect((await appending({ "if-match": `"3-${log}"` })).status).toBe(201);
    expect((await appending({ "if-match": `"4-${log}-br"` })).status).toBe(201);
    expect((await appending({ "if-match": '"5"' })).status).toBe(201);
    expect((await appending({ "if-match": `W/"6-${log}"` })).status).toBe(201);
    expect((await appending({ "if-match": `"6-${log}"` })).status).toBe(412);
    expect((await appending({ "if-match": "*", "kilde-log": log })).status).toBe(201);
    expect(
      (await app.fetch("/streams/s?before=2", { method: "DELETE", headers: { "kilde-log": log } })).status,
    ).toBe(200);
  });

  test("is refused when it was decided on another history, and nothing is written", async () => {
    const before = await loseEvents();
    const [log, stated] = [await identity(), { "kilde-log": before }];
    const remove = (query: string, headers: Record<string, string>) =>
      app.fetch(`/streams/s?${query}`, { method: "DELETE", headers });
    const tag = { "if-match": `"3-${before}"` };
    for (const [name, answer] of [
      ["an append", () => appending(stated)],
      ["an append by entity tag", () => appending(tag)],
      [
        "a transaction",
        () => post("/transactions", { appends: [{ stream: "s", events: [{ type: "A" }] }] }, stated),
      ],
      ["an erasure", () => remove("reason=asked", stated)],
      ["an erasure by entity tag", () => remove("reason=asked", tag)],
      ["a truncation", () => remove("before=2", stated)],
      ["a truncation by entity tag", () => remove("before=2", tag)],
    ] as const) {
      expect([name, await restoredProblem(answer())]).toMatchObject([name, { log, parted: 3, head: 4 }]);
    }
    const commit = {
      method: "PUT",
      body: '{"position":4}',
      headers: { ...stated, "content-type": "application/json" },
    };
    expect(await restoredProblem(app.fetch("/events/consumers/c", commit))).toMatchObject({ parted: 3 });
    expect(await app.get("/streams/s")).toHaveLength(3);
  });

  test("gets its first answer when it is repeated with its key", async () => {
    const before = await identity();
    const first = await appending({ "idempotency-key": "k", "kilde-log": before });
    await restorable.renew();
    const again = await appending({ "idempotency-key": "k", "kilde-log": before });
    expect([again.status, await again.text()]).toEqual([201, await first.text()]);
    expect(again.headers.get("idempotency-replayed")).toBe("true");
    expect(again.headers.get("kilde-log")).toBe(await identity());
  });

  test("may not state two identities, or none in its form", async () => {
    const log = await identity();
    const two = { "kilde-log": "0123456789abcdef", "if-match": `"2-${log}"` };
    expect((await appending(two)).status).toBe(400);
    for (const wrong of ["", "x", `${log}0`, log.toUpperCase().replace(/\d/g, "F")]) {
      expect([wrong, (await appending({ "kilde-log": wrong })).status]).toEqual([wrong, 400]);
    }
    expect((await appending({ "if-match": '"2-xyz"' })).status).toBe(400);
  });
});
