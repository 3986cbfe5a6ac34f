import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import type { Clock } from "../../../src/core/clock.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import { jsonPost, openApp, type Problem, type TestApp, type WireEvent } from "../../support/app.ts";
import type { Database } from "../../../src/storage/database.ts";
import { newDatabase } from "../../support/new-database.ts";
import { forEachDeployment } from "../../support/deployments.ts";
import { testInProcess } from "../../support/tested-on.ts";

const ids = (events: readonly WireEvent[]) => events.map(({ id }) => Number(id));
const range = (from: number, to: number) =>
  Array.from({ length: Math.abs(to - from) + 1 }, (_, n) => (to > from ? from + n : from - n));

forEachDeployment(["memory", "file", "sqld", "worker"], (deployment) => {
  describe(`read (${deployment.name})`, () => {
    let app: TestApp;
    let dispose: () => Promise<void>;
    let now = Date.parse("2026-01-01T00:00:00Z");
    const clock: Clock = { ...systemClock, now: () => now };

    /** Positions 1 to 100: `s-0` to `s-9` in turn, types A, B, C in turn, a minute apart. */
    beforeAll(async () => {
      const opened = await deployment.open();
      app = await openApp({ database: opened.database(), clock });
      dispose = opened.dispose;
      for (let n = 0; n < 100; n += 1) {
        await app.append(`s-${n % 10}`, { type: "ABC".charAt(n % 3), data: n });
        now += 60_000;
      }
    });
    afterAll(async () => {
      await app.close();
      await dispose();
    });

    const pages: [path: string, ids: number[]][] = [
      ["/events", range(1, 100)],
      ["/events?lastEventId=null", range(1, 100)],
      ["/events?limit=3", [1, 2, 3]],
      ["/events?lastEventId=97", [98, 99, 100]],
      ["/events?lastEventId=100", []],
      ["/events?lastEventId=10&limit=2", [11, 12]],
      ["/events?direction=backwards&limit=3", [100, 99, 98]],
      ["/events?direction=backwards&lastEventId=4", [3, 2, 1]],
      ["/events?direction=backwards&lastEventId=1", []],
      ["/events?type=A&limit=3", [1, 4, 7]],
      ["/events?type=A&type=B&limit=3&lastEventId=1", [2, 4, 5]],
      ["/events?type=nothing", []],
      ["/events?subjectPrefix=s-3&limit=2", [4, 14]],
      ["/events?subjectPrefix=s-&limit=1&direction=backwards", [100]],
      ["/events?subjectPrefix=t", []],
      ["/events?subjectPrefix=s-3&type=A", [4, 34, 64, 94]],
      ["/streams/s-3", range(0, 9).map((n) => 4 + 10 * n)],
      ["/streams/s-3?limit=2", [4, 14]],
      ["/streams/s-3?lastEventId=14&limit=2", [24, 34]],
      ["/streams/s-3?lastEventId=20&limit=2", [24, 34]],
      ["/streams/s-3?lastEventId=3&limit=1", [4]],
      ["/streams/s-3?lastEventId=94", []],
      ["/streams/s-3?direction=backwards&limit=2", [94, 84]],
      ["/streams/s-3?direction=backwards&lastEventId=24", [14, 4]],
      ["/streams/s-3?direction=backwards&lastEventId=25", [24, 14, 4]],
      ["/streams/s-3?afterVersion=8", [84, 94]],
      ["/streams/s-3?toVersion=2", [4, 14]],
      ["/streams/s-3?afterVersion=2&toVersion=4", [24, 34]],
      ["/streams/s-3?toVersion=99&limit=1&direction=backwards", [94]],
      ["/streams/s-3?asOf=2026-01-01T00:13:00Z", [4, 14]],
      ["/streams/s-3?asOf=2026-01-01T01:12:59.999%2B01:00", [4]],
      ["/streams/s-3?asOf=2025-01-01T00:00:00Z", []],
      ["/streams/s-3?type=C", [24, 54, 84]],
    ];
    for (const [path, expected] of pages) {
      // The clock cannot be given to a worker.
      const run = path.includes("asOf=2026") ? testInProcess : test;
      run(path, async () => {
        expect(ids(await app.get(path))).toEqual(expected);
      });
    }

    for (const path of ["/events?limit=7", "/streams/s-4?limit=3", "/events?type=B&limit=4"]) {
      test(`the next links of ${path} lead through all of it, and the prev links back`, async () => {
        const whole = ids(await app.get(path.replace(/limit=\d+/, "limit=1000")));
        const linked = async (rel: string, from: string) => {
          const response = await app.fetch(from);
          const found = new RegExp(`<([^>]*)>; rel="${rel}"`).exec(response.headers.get("link") ?? "")?.[1];
          return { events: (await response.json()) as WireEvent[], link: found };
        };
        const seen: number[] = [];
        let last = path;
        for (let next: string | undefined = path; next !== undefined;) {
          const { events, link } = await linked("next", next);
          if (events.length > 0) last = next;
          seen.push(...ids(events));
          next = events.length === 0 ? undefined : link;
        }
        expect(seen).toEqual(whole);

        const { events: tail, link } = await linked("prev", last);
        const back = ids(tail).toReversed();
        for (let next = link; next !== undefined;) {
          const page = await linked("next", next);
          back.push(...ids(page.events));
          next = page.link;
        }
        expect(back).toEqual(whole.toReversed());
      });
    }

    test("a page is validated by its ETag, and states whether more events follow", async () => {
      const full = await app.fetch("/events?limit=10");
      expect(full.headers.get("cache-control")).toBe("no-cache");
      expect(full.headers.get("kilde-end")).toBeNull();
      const etag = full.headers.get("etag") ?? "";
      expect(etag).toMatch(/^"/);
      const cached = await app.fetch("/events?limit=10", { headers: { "if-none-match": etag } });
      expect(cached.status).toBe(304);
      expect(await cached.text()).toBe("");
      const tail = await app.fetch("/events?lastEventId=95&limit=10");
      expect(tail.headers.get("cache-control")).toBe("no-cache");
      expect(tail.headers.get("kilde-end")).toBe("true");
      const exact = await app.fetch("/events?lastEventId=95&limit=5");
      expect(exact.headers.get("kilde-end")).toBeNull();
      const empty = await app.fetch("/events?lastEventId=100");
      expect(empty.headers.get("kilde-end")).toBe("true");
    });

    test("a stream's ETag begins with its version, and HEAD gives it without a body", async () => {
      const response = await app.fetch("/streams/s-3?limit=1", { method: "HEAD" });
      expect(response.headers.get("etag")).toMatch(/^"10-[0-9a-f]{16}-[^"]*"$/);
      expect(response.headers.get("kilde-head")).toBe("100");
      expect(await response.text()).toBe("");
      const known = { "if-none-match": response.headers.get("etag") ?? "" };
      expect((await app.fetch("/streams/s-3?limit=1", { headers: known })).status).toBe(304);
      expect((await app.fetch("/streams/s-3?limit=2", { headers: known })).status).toBe(200);
      expect((await app.fetch("/streams/s-3", { headers: { "if-none-match": '"9"' } })).status).toBe(200);
    });

    test("NDJSON has the same events, one a line", async () => {
      const batch = await app.get("/events?limit=5");
      const response = await app.fetch("/events?limit=5", { headers: { accept: "application/x-ndjson" } });
      expect(response.headers.get("content-type")).toBe("application/x-ndjson");
      const lines = (await response.text()).split("\n");
      expect(lines.pop()).toBe("");
      expect(lines.map((line) => JSON.parse(line) as WireEvent)).toEqual(batch);
    });

    const accepts: [accept: string, type: string | null][] = [
      ["*/*", "application/cloudevents-batch+json"],
      ["application/json", "application/cloudevents-batch+json"],
      ["text/html, application/x-ndjson;q=0.5, */*;q=0.1", "application/x-ndjson"],
      [
        "application/x-ndjson;q=0.5, application/cloudevents-batch+json",
        "application/cloudevents-batch+json",
      ],
      ["text/html", null],
      ["application/json;q=0", null],
    ];
    for (const [accept, type] of accepts) {
      test(`the header "Accept: ${accept}" is answered with ${type ?? "406"}`, async () => {
        const response = await app.fetch("/events?limit=1", { headers: { accept } });
        expect(response.status).toBe(type === null ? 406 : 200);
        expect(response.headers.get("content-type")).toBe(type ?? "application/problem+json");
      });
    }

    test("a missing stream is a 404 that names it", async () => {
      const response = await app.fetch("/streams/nobody");
      expect(response.status).toBe(404);
      expect(await response.json()).toMatchObject({ type: "/problems/stream-not-found", stream: "nobody" });
    });

    test("a cursor beyond the head is an error that states the head", async () => {
      for (const path of ["/events?lastEventId=101", "/streams/s-1?lastEventId=101"]) {
        const response = await app.fetch(path);
        expect(response.status).toBe(400);
        expect((await response.json()) as Problem).toMatchObject({
          type: "/problems/cursor-beyond-head",
          head: 100,
        });
      }
    });

    testInProcess("recorded times only grow, whatever the clock does", async () => {
      const before = await app.append("clock", { type: "Before" });
      now -= 24 * 60 * 60_000;
      await app.append("clock", { type: "After" });
      now += 24 * 60 * 60_000;
      const events = await app.get(`/events?lastEventId=${before.position - 1}`);
      expect(events[1]?.time).toBe(events[0]?.time ?? "");
    });
  });
});

describe("pages are bounded in bytes", () => {
  test("a page ends where its bytes are used up, and holds one event at least", async () => {
    const app = await openApp({ limits: { pageBytes: 2_000 } });
    const data = "x".repeat(400);
    await app.append("small", ...Array.from({ length: 5 }, () => ({ type: "T", data })));
    await app.append("large", { type: "T", data: "y".repeat(5_000) }, { type: "T", data: 1 });
    const first = await app.fetch("/events");
    expect(ids((await first.json()) as WireEvent[])).toEqual([1, 2]);
    expect(first.headers.get("kilde-end")).toBeNull();
    expect(ids(await app.get("/events?lastEventId=5"))).toEqual([6]);
    expect(ids(await app.get("/events?lastEventId=6"))).toEqual([7]);
    expect(ids(await app.get("/events?direction=backwards&lastEventId=6"))).toEqual([5, 4]);
    expect(ids(await app.get("/events?type=T&lastEventId=2"))).toEqual([3, 4]);
    await app.close();
  });

  test("a limit above the page limit is refused", async () => {
    const app = await openApp({ limits: { pageEvents: 10 } });
    await app.append("s", ...Array.from({ length: 20 }, () => ({ type: "T" })));
    expect(await app.get("/events")).toHaveLength(10);
    expect(await app.get("/events?limit=10")).toHaveLength(10);
    expect((await app.fetch("/events?limit=11")).status).toBe(400);
    await app.close();
  });
});

testInProcess(
  "the events of a small stream are read by one query, also when it was truncated or erased",
  async () => {
    const database = await newDatabase();
    let reads = 0;
    const counting: Database = {
      ...database,
      read(statement) {
        if (statement.sql.includes("from events as event")) reads += 1;
        return database.read(statement);
      },
    };
    const app = await openApp({ database: counting });
    for (const stream of ["whole", "truncated", "erased"])
      await app.append(stream, ...Array.from({ length: 20 }, (_, n) => ({ type: "T", data: n })));
    await app.fetch("/streams/truncated?before=11", { method: "DELETE" });
    await app.fetch("/streams/erased?reason=asked", { method: "DELETE" });
    for (const [stream, count] of [
      ["whole", 20],
      ["truncated", 10],
      ["erased", 1],
    ] as const) {
      reads = 0;
      expect([stream, (await app.get(`/streams/${stream}`)).length, reads]).toEqual([stream, count, 1]);
    }
    await app.close();
  },
);

test("a filtered read looks through more than one window", async () => {
  const app = await openApp();
  const appends = Array.from({ length: 25 }, (_, n) => ({
    stream: `s-${n}`,
    events: Array.from({ length: 400 }, () => ({ type: "Common" })),
  }));
  for (let round = 0; round < 3; round += 1) {
    expect((await app.fetch("/transactions", jsonPost({ appends }))).status).toBe(201);
    await app.append("rare", { type: "Rare", data: round });
  }
  expect(ids(await app.get("/events?type=Rare"))).toEqual([10_001, 20_002, 30_003]);
  expect(ids(await app.get("/events?type=Rare&direction=backwards"))).toEqual([30_003, 20_002, 10_001]);
  expect(ids(await app.get("/events?subjectPrefix=rare&limit=2&lastEventId=10001"))).toEqual([
    20_002, 30_003,
  ]);
  await app.close();
});
