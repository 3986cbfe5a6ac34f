import { afterEach, expect, test } from "bun:test";
import fc from "fast-check";

import { createClient } from "../../../src/client/index.ts";
import { KildeError } from "../../../src/core/errors.ts";
import { removalStatement } from "../../../src/log/erase/erasures.ts";
import { raiseVersions } from "../../../src/log/erase/generations.ts";
import { jsonPost, openApp, type TestApp } from "../../support/app.ts";
import { createCachingProxy } from "../../support/caching-proxy.ts";
import { sketch } from "../../support/feeds.ts";
import { newDatabase } from "../../support/new-database.ts";
import { openProjection } from "../../support/projection.ts";
import { testInProcess } from "../../support/tested-on.ts";

/*
 * Readers behind an HTTP cache that keeps all that it may.
 */

const opened: TestApp[] = [];
afterEach(async () => {
  for (const app of opened.splice(0)) await app.close();
});

function behindCache(app: TestApp) {
  const origin = (url: string, init: RequestInit) => {
    const { pathname, search } = new URL(url);
    return app.fetch(pathname + search, init);
  };
  const proxy = createCachingProxy(origin);
  const fetch = (url: string, init?: RequestInit) => proxy.fetch(url, init);
  return { proxy, client: createClient({ url: "http://kilde.test", fetch }) };
}

async function open() {
  const app = await openApp();
  opened.push(app);
  return { app, ...behindCache(app) };
}

/** The version to append to a stream at, also where it was erased. */
async function versionOf(app: TestApp, stream: string): Promise<{ expectedVersion: number }> {
  const { headers } = await app.fetch(`/streams/${stream}?limit=1`, { method: "HEAD" });
  return { expectedVersion: Number(/^"(\d+)-/.exec(headers.get("etag") ?? "")?.[1] ?? 0) };
}

async function positions(events: AsyncIterable<{ readonly position: number }>): Promise<number[]> {
  const found: number[] = [];
  for await (const { position } of events) found.push(position);
  return found;
}

const upTo = (last: number) => Array.from({ length: last }, (_, n) => n + 1);

test("a page that was full exactly at the end does not end a log that has grown", async () => {
  const { client, app } = await open();
  let held = 0;
  for (const more of [10, 5, 5, 1, 10, 0]) {
    const events = Array.from({ length: more }, (_, n) => ({ type: "A", data: n }));
    if (more > 0) await app.append("x", ...events);
    held += more;
    expect(await positions(client.read({ pageSize: 10 }))).toEqual(upTo(held));
    expect(await positions(client.read({ stream: "x", pageSize: 10 }))).toEqual(upTo(held));
    expect(await positions(client.read({ types: ["A"], pageSize: 10 }))).toEqual(upTo(held));
    const backwards = await positions(client.read({ direction: "backwards", pageSize: 10 }));
    expect(backwards.toReversed()).toEqual(upTo(held));
  }
});

test("a reader asks for no empty page where the answer states that nothing follows", async () => {
  const { client, proxy, app } = await open();
  await app.append("x", { type: "A" }, { type: "A" });
  proxy.counts.passed = 0;
  expect(await positions(client.read({ stream: "x" }))).toEqual([1, 2]);
  expect(proxy.counts.passed).toBe(1);
});

const linked = (response: Response, relation: string) =>
  new RegExp(`<([^>]*)>; rel="${relation}"`).exec(response.headers.get("link") ?? "")?.[1] ?? null;

type Fetch = (path: string, init?: RequestInit) => Promise<Response>;

/** Follows `next` links to the end, as plain HTTP readers do. */
async function walk(fetch: Fetch, path: string): Promise<{ positions: number[]; controls: string[] }> {
  const found: number[] = [];
  const controls: string[] = [];
  for (let at: string | null = path; at !== null;) {
    const response = await fetch(at);
    expect(response.status).toBe(200);
    controls.push(response.headers.get("cache-control") ?? "");
    const events = (await response.json()) as { id: string }[];
    found.push(...events.map(({ id }) => Number(id)));
    at = events.length === 0 ? null : linked(response, "next");
  }
  return { positions: found, controls };
}

const some = (count: number) => Array.from({ length: count }, (_, n) => ({ type: "A", data: n }));
const DAY_MS = 24 * 3_600_000;

test("full pages behind `next` links are kept for a day, and nothing else is", async () => {
  const { app, proxy } = await open();
  await app.append("x", ...some(35));
  const fetch: Fetch = (path, init) => proxy.fetch(`http://kilde.test${path}`, init);
  const kept = "public, max-age=86400, must-revalidate";
  for (const path of ["/events?limit=10", "/streams/x?limit=10", "/events?limit=10&type=A"]) {
    const { positions: found, controls } = await walk(fetch, path);
    expect(found).toEqual(upTo(35));
    // The first page has no key, and the last ones are not full.
    expect(controls).toEqual(["no-cache", kept, kept, "no-cache", "no-cache"]);
    proxy.counts.hits = 0;
    expect((await walk(fetch, path)).positions).toEqual(upTo(35));
    expect(proxy.counts.hits).toBe(2);
  }
  const backwards = await walk(fetch, "/events?limit=10&direction=backwards");
  expect(backwards.positions).toEqual(upTo(35).toReversed());
  expect(backwards.controls).toEqual(["no-cache", kept, kept, "no-cache"]);
  const secret = await app.fetch(linked(await app.fetch("/events?limit=10"), "next") ?? "", {
    headers: { authorization: "Bearer x" },
  });
  expect(secret.headers.get("cache-control")).toBe("private, max-age=86400, must-revalidate");
});

test("a key that is outdated, of another range, malformed, or without the log's identity keeps nothing", async () => {
  const { app } = await open();
  await app.append("x", ...some(30));
  const next = linked(await app.fetch("/events?limit=10"), "next") ?? "";
  const control = async (path: string) => {
    const response = await app.fetch(path);
    expect(((await response.json()) as { id: string }[]).map(({ id }) => Number(id))).toEqual(
      upTo(20).slice(10),
    );
    return response.headers.get("cache-control");
  };
  expect(next).toMatch(/cacheKey=\d+-0/);
  expect(await control(next)).toContain("max-age");
  expect(await control(next.replace(/cacheKey=(\d+)-0/, "cacheKey=$1-1"))).toBe("no-cache");
  expect(await control(next.replace(/cacheKey=\d+-0/, "cacheKey=19-0"))).toBe("no-cache");
  expect(await control(next.replace(/cacheKey=[^&>]*/, "cacheKey=nonsense"))).toBe("no-cache");
  expect(await control(next.replace(/lastEventId=10-[0-9a-f]+/, "lastEventId=10"))).toBe("no-cache");
  const off = await openApp({ limits: { cacheSeconds: 0 } });
  opened.push(off);
  await off.append("x", ...some(30));
  const uncached = await off.fetch(linked(await off.fetch("/events?limit=10"), "next") ?? "");
  expect(uncached.headers.get("cache-control")).toBe("no-cache");
});

test("one erasure leads readers past copies of its range only, and a day later nothing of it is served", async () => {
  const { app, proxy } = await open();
  const fetch: Fetch = (path, init) => proxy.fetch(`http://kilde.test${path}`, init);
  await app.append("early", ...some(5_000));
  await app.append("erased", ...some(10));
  await app.append("late", ...some(5_000));
  const path = "/events?limit=1000";
  const whole = await walk(fetch, path);
  expect(whole.positions).toEqual(upTo(10_010));
  expect((await app.fetch("/streams/erased?reason=asked", { method: "DELETE" })).status).toBe(200);
  const direct = (await walk((at) => app.fetch(at), path)).positions;
  expect(direct).toEqual([...upTo(5_000), ...upTo(10_011).slice(5_010)]);
  proxy.counts.hits = 0;
  const after = await walk(fetch, path);
  // A reader that comes from kept copies may be led to others of the same day.
  expect(after.positions.filter((position) => position <= 5_000 || position > 5_010)).toEqual(direct);
  expect(proxy.counts.hits).toBeGreaterThan(3);
  proxy.advance(DAY_MS);
  expect((await walk(fetch, path)).positions).toEqual(direct);
  // Pages read directly after the erasure are linked with the new generation.
  const near = await app.fetch("/events?lastEventId=4000&limit=1000");
  expect(linked(near, "next")).toMatch(/cacheKey=\d+-[1-9]/);
  const far = await app.fetch("/events?lastEventId=8000&limit=1000");
  expect(linked(far, "next")).toMatch(/cacheKey=\d+-0/);
});

// A worker leaves compressing to its platform.
testInProcess(
  "each representation has an ETag of its own, which an erasure and a truncation change",
  async () => {
    const { app } = await open();
    await app.append("x", ...some(100));
    await app.append("y", ...some(3));
    const accepts = [
      {},
      { accept: "application/x-ndjson" },
      { "accept-encoding": "gzip" },
      { "accept-encoding": "deflate" },
      { accept: "application/x-ndjson", "accept-encoding": "gzip" },
    ] as Record<string, string>[];
    const paths = ["/streams/x", "/events", "/streams/x?limit=2", "/events?type=A&limit=2"];
    const tagsOf = async () => {
      const tags: string[] = [];
      for (const path of paths) {
        for (const headers of accepts) {
          const response = await app.fetch(path, { headers });
          expect(response.headers.get("vary")).toContain("Accept-Encoding");
          tags.push(response.headers.get("etag") ?? "");
        }
      }
      return tags;
    };
    const tags = await tagsOf();
    // Small pages are not compressed: three of their five are the same two.
    expect(new Set(tags).size).toBe(2 * 5 + 2 * 2);
    for (const [index, path] of paths.entries()) {
      for (const [form, headers] of accepts.entries()) {
        const own = tags[index * accepts.length + form] ?? "";
        const named = await app.fetch(path, { headers: { ...headers, "if-none-match": own } });
        expect(named.status).toBe(304);
        expect(named.headers.get("etag")).toBe(own);
        const others = tags.filter((tag) => tag !== own).join(", ");
        expect((await app.fetch(path, { headers: { ...headers, "if-none-match": others } })).status).toBe(
          200,
        );
      }
    }
    expect((await app.fetch("/streams/x?before=3", { method: "DELETE" })).status).toBe(200);
    const truncated = await tagsOf();
    for (const [index, tag] of truncated.entries()) expect(tag).not.toBe(tags[index] ?? "");
    expect((await app.fetch("/streams/y?reason=asked", { method: "DELETE" })).status).toBe(200);
    const erased = await app.fetch("/events");
    expect(truncated).not.toContain(erased.headers.get("etag") ?? "");
  },
);

test("If-Match takes every ETag that is served for the stream", async () => {
  const { app } = await open();
  await app.append("x", ...some(100));
  for (const headers of [{}, { accept: "application/x-ndjson" }, { "accept-encoding": "gzip" }] as Record<
    string,
    string
  >[]) {
    for (const path of ["/streams/x", "/streams/x?limit=3", "/streams/x?direction=backwards&limit=2"]) {
      const etag = (await app.fetch(path, { headers })).headers.get("etag") ?? "";
      for (const tag of [etag, `W/${etag}`]) {
        const append = jsonPost({ events: [{ type: "A" }] }, { "if-match": tag });
        expect([tag, (await app.fetch("/streams/x", append)).status]).toEqual([
          tag,
          tag === etag ? 201 : 412,
        ]);
      }
    }
  }
});

testInProcess(
  "pages of drafts are not kept, and those of feeds are validated against replaced events",
  async () => {
    const database = await newDatabase();
    const feeds = [sketch({ name: "plain" }), { ...sketch({ name: "draft" }), draft: true }];
    const app = await openApp({ database, feeds });
    opened.push(app);
    await app.append("x", ...some(30));
    const { drain, feeds: projected } = await openProjection({ database, writer: app.store.writer }, feeds);
    await drain();
    const draft = await app.fetch("/feeds/draft/v1?limit=10");
    expect(draft.headers.get("cache-control")).toBe("no-store");
    const etag = draft.headers.get("etag") ?? "";
    expect((await app.fetch("/feeds/draft/v1?limit=10", { headers: { "if-none-match": etag } })).status).toBe(
      200,
    );
    const behind = await app.fetch(linked(draft, "next") ?? "");
    expect(behind.headers.get("cache-control")).toBe("no-store");

    const page = await app.fetch("/feeds/plain/v1?limit=10");
    const kept = linked(page, "next") ?? "";
    expect((await app.fetch(kept)).headers.get("cache-control")).toContain("max-age");
    const subject = await app.fetch("/feeds/plain/v1/subjects/x?limit=10");
    expect((await app.fetch(linked(subject, "next") ?? "")).headers.get("cache-control")).toContain(
      "max-age",
    );
    const plain = projected.all.find(({ feed }) => feed.name === "plain");
    const replaced = await plain?.reader.find("x");
    if (plain === undefined || replaced == null) throw new Error("the feed has no such subject");
    const isKnown = async () => {
      const headers = { "if-none-match": page.headers.get("etag") ?? "" };
      return (await app.fetch("/feeds/plain/v1?limit=10", { headers })).status;
    };
    expect(await isKnown()).toBe(304);
    const { log } = plain;
    await app.store.writer.write([raiseVersions(log, [[replaced.id, 3, 3]]), removalStatement(log)]);
    expect(await isKnown()).toBe(200);
    expect((await app.fetch(kept)).headers.get("cache-control")).toBe("no-cache");
    await projected.close();
  },
);

type Step =
  | { readonly kind: "append"; readonly stream: number; readonly count: number }
  | { readonly kind: "truncate" | "erase"; readonly stream: number }
  | { readonly kind: "wait"; readonly ms: number }
  | { readonly kind: "read"; readonly path: number; readonly size: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("append"),
      stream: fc.nat(2),
      count: fc.integer({ min: 1, max: 12 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("truncate", "erase"), stream: fc.nat(2) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("wait"), ms: fc.constantFrom(1_000, DAY_MS / 2, DAY_MS) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("read"), path: fc.nat(3), size: fc.constantFrom(3, 5, 10) }),
  },
) as fc.Arbitrary<Step>;

testInProcess(
  "whatever happens to the log, a reader behind caches misses nothing, and sees nothing a day after its erasure",
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
        const app = await openApp();
        const { proxy, client } = behindCache(app);
        const held = new Map<number, { stream: string; removedMs: number | null }>();
        let nowMs = 0;
        let head = 0;
        const remove = (stream: string, keep: number) => {
          for (const [position, event] of held) {
            if (event.stream === stream && position < keep) event.removedMs ??= nowMs;
          }
        };
        const lastOf = (stream: string) =>
          Math.max(0, ...[...held].flatMap(([at, one]) => (one.stream === stream ? at : [])));
        for (const one of steps) {
          if (one.kind === "append") {
            const stream = `s-${one.stream}`;
            const { version } = await client.append(stream, some(one.count), await versionOf(app, stream));
            expect(version).toBeGreaterThan(0);
            for (let n = 0; n < one.count; n += 1) held.set((head += 1), { stream, removedMs: null });
          } else if (one.kind === "wait") {
            nowMs += one.ms;
            proxy.advance(one.ms);
          } else if (one.kind === "read") {
            const { path, size: pageSize } = one;
            const source =
              [{}, { stream: "s-0" }, { types: ["A", "kilde.erased"] }, { streamPrefix: "s-1" }][path] ?? {};
            const found = await positions(client.read({ ...source, pageSize })).catch((error: unknown) => {
              if (error instanceof KildeError && error.code === "stream-not-found") return [];
              throw error;
            });
            const wanted = [...held].filter(([, { stream }]) =>
              path === 1 ? stream === "s-0" : path === 3 ? stream === "s-1" : true,
            );
            const known = new Set(found);
            expect(found).toEqual(found.toSorted((a, b) => a - b));
            for (const [position, { removedMs }] of wanted) {
              if (removedMs === null) expect([position, known.has(position)]).toEqual([position, true]);
              else if (removedMs <= nowMs - DAY_MS)
                expect([position, known.has(position)]).toEqual([position, false]);
            }
          } else {
            const stream = `s-${one.stream}`;
            if (lastOf(stream) === 0) continue;
            const way =
              one.kind === "erase"
                ? "reason=asked"
                : `before=${(await versionOf(app, stream)).expectedVersion}`;
            const answer = await app.fetch(`/streams/${stream}?${way}`, { method: "DELETE" });
            if (answer.status !== 200) continue;
            if (one.kind === "erase") held.set((head += 1), { stream, removedMs: null });
            remove(stream, lastOf(stream));
          }
        }
        await app.close();
      }),
      { numRuns: 60 },
    );
  },
);

test("every answer states how it may be cached", async () => {
  const { app } = await open();
  await app.append("x", ...some(3));
  const { paths } = await app.get<{ paths: Record<string, Record<string, unknown>> }>("/openapi.json");
  const gets = Object.keys(paths).filter((path) => "get" in (paths[path] ?? {}));
  expect(gets.length).toBeGreaterThan(10);
  for (const path of [...gets, "/", "/openapi.json", "/asyncapi.json", "/problems/internal", "/nothing"]) {
    const { headers } = await app.fetch(path.replaceAll(/\{[^}]*\}/g, "1"));
    expect([path, headers.get("cache-control")]).toEqual([path, expect.stringMatching(/^no-(cache|store)/)]);
  }
});
