import { afterEach, describe, expect, test } from "bun:test";
import fc from "fast-check";

import {
  type NewTestEvent,
  openApp,
  type Problem,
  takeEvents,
  type TestApp,
  type TestAppOptions,
  type WireEvent,
} from "../../support/app.ts";
import { openServer } from "../../support/open-server.ts";

/*
 * No request gets an answer, or occupies memory or a place, beyond the documented bounds.
 */

let opened: TestApp[] = [];
afterEach(async () => {
  for (const app of opened) await app.close();
  opened = [];
});

async function open(options: TestAppOptions = {}): Promise<TestApp> {
  const app = await openApp(options);
  opened.push(app);
  return app;
}

async function followers(app: TestApp): Promise<number> {
  const text = await (await app.fetch("/metrics")).text();
  const [, count] = /^kilde_followers(?:\{[^}]*\})? (\d+)$/m.exec(text) ?? [];
  return Number(count);
}

describe("the size of pages", () => {
  const name = fc.string({ unit: fc.constantFrom("a", '"', "\\", "é", "漢"), minLength: 1, maxLength: 60 });
  const event: fc.Arbitrary<NewTestEvent> = fc.record(
    {
      type: name,
      data: fc.string({ maxLength: 900 }),
      metadata: fc.record({ note: fc.string({ maxLength: 400 }) }),
      time: fc.constant("2020-01-01T00:00:00Z"),
    },
    { requiredKeys: ["type"] },
  );
  const logs = fc.array(fc.tuple(name, fc.array(event, { minLength: 1, maxLength: 12 })), {
    minLength: 1,
    maxLength: 6,
  });

  test("no page exceeds its bytes, whatever parts events have or lack, and none is lost", async () => {
    await fc.assert(
      fc.asyncProperty(logs, fc.integer({ min: 1_500, max: 6_000 }), async (appends, pageBytes) => {
        const app = await openApp({ limits: { pageBytes } });
        try {
          let count = 0;
          for (const [stream, events] of appends) count += (await app.append(stream, ...events)).count;
          for (const accept of ["application/json", "application/x-ndjson"]) {
            for (const filter of ["", "&subjectPrefix=a"]) {
              const ids: string[] = [];
              for (let last = "0", more = true; more;) {
                const path = `/events?lastEventId=${last}${filter}`;
                const text = await (await app.fetch(path, { headers: { accept } })).text();
                const lines = text.split("\n").filter((line) => line !== "");
                const page = (
                  accept === "application/json" ? JSON.parse(text) : lines.map((line) => JSON.parse(line))
                ) as WireEvent[];
                if (page.length > 1) expect(Buffer.byteLength(text)).toBeLessThanOrEqual(pageBytes);
                ids.push(...page.map(({ id }) => id));
                more = page.length > 0;
                last = ids.at(-1) ?? last;
              }
              if (filter === "") expect(ids).toEqual(Array.from({ length: count }, (_, n) => String(n + 1)));
            }
          }
        } finally {
          await app.close();
        }
      }),
      { numRuns: 25 },
    );
  }, 60_000);

  test("events without data count with their envelope", async () => {
    const app = await open({ limits: { pageBytes: 10_000 } });
    await app.append("s".repeat(200), ...Array.from({ length: 500 }, () => ({ type: "T".repeat(200) })));
    const text = await (await app.fetch("/events")).text();
    expect(text.length).toBeLessThanOrEqual(10_000);
    expect((JSON.parse(text) as WireEvent[]).length).toBeGreaterThan(1);
  });
});

test("a list ends before it exceeds the bytes of a page, and links to the rest", async () => {
  const app = await open({ limits: { pageBytes: 20_000 } });
  const names = Array.from({ length: 60 }, (_, n) => `${String(n).padStart(3, "0")}${'"'.repeat(200)}`);
  for (const name of names) await app.append(name, { type: "T" });
  const seen: string[] = [];
  for (let path: string | undefined = "/streams"; path !== undefined;) {
    const response = await app.fetch(path);
    const text = await response.text();
    expect(text.length).toBeLessThanOrEqual(20_000);
    seen.push(...(JSON.parse(text) as { streams: { stream: string }[] }).streams.map(({ stream }) => stream));
    path = /<([^>]*)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
  }
  expect(seen).toEqual(names);
});

test("a follower of large events is sent them in pieces, and all of them", async () => {
  const app = await open();
  const data = "x".repeat(200_000);
  for (let batch = 0; batch < 10; batch += 1) {
    await app.append("s", ...Array.from({ length: 10 }, () => ({ type: "T", data })));
  }
  const response = await app.fetch("/events", { headers: { accept: "text/event-stream" } });
  const sizes: number[] = [];
  const seen: number[] = [];
  if (response.body === null) throw new Error("no body");
  const decoder = new TextDecoder();
  for await (const bytes of response.body) {
    sizes.push(bytes.length);
    for (const [, id] of decoder.decode(bytes).matchAll(/^id: (\d+)/gm)) seen.push(Number(id));
    if (seen.length === 100) break;
  }
  expect(seen).toEqual(Array.from({ length: 100 }, (_, n) => n + 1));
  expect(Math.max(...sizes)).toBeLessThan(512 * 1024);
});

describe("a problem", () => {
  test("lists 20 faults at most, and how many there are", async () => {
    const app = await open();
    const events = Array.from({ length: 5_000 }, (_, n) => ({ wrong: n }));
    const response = await app.fetch("/streams/s", {
      method: "POST",
      body: JSON.stringify({ events }),
      headers: { "content-type": "application/json" },
    });
    const text = await response.text();
    const problem = JSON.parse(text) as Problem & { errorCount: number };
    expect(response.status).toBe(422);
    expect(problem.errors).toHaveLength(20);
    expect(problem.errorCount).toBeGreaterThanOrEqual(5_000);
    expect(text.length).toBeLessThan(10_000);
  });

  test("does not repeat long texts of the request", async () => {
    const app = await open();
    const long = "n".repeat(100_000);
    const bodies = [
      `{"events":[{"type":"T","data":{"${long}":1,"${long}":2}}]}`,
      `{"events":[{"type":"T","${long}":1}]}`,
      `{"events":[{"type":"${long}"}]}`,
    ];
    for (const body of bodies) {
      const response = await app.fetch("/streams/s", {
        method: "POST",
        body,
        headers: { "content-type": "application/json" },
      });
      expect(response.status).toBeOneOf([400, 422]);
      expect((await response.text()).length).toBeLessThan(10_000);
    }
  });
});

describe("HEAD", () => {
  test("occupies no place of a follower for an event stream, even when all are taken", async () => {
    const app = await open({ limits: { followers: 1 } });
    await app.append("s", { type: "T" });
    for (let request = 0; request < 5; request += 1) {
      for (const path of ["/events", "/streams/s", "/events?lastEventId=1", "/streams/none"]) {
        const response = await app.fetch(path, {
          method: "HEAD",
          headers: { accept: "text/event-stream" },
        });
        expect(response.status).toBe(200);
        expect(response.headers.get("content-type")).toBe("text/event-stream");
        expect(await response.text()).toBe("");
      }
    }
    expect(await followers(app)).toBe(0);
    const following = await app.fetch("/events", { headers: { accept: "text/event-stream" } });
    expect(await takeEvents(following, 1)).toHaveLength(1);
  });

  test("is answered at once for a long-poll", async () => {
    const app = await open();
    await app.append("s", { type: "T" });
    const response = await app.fetch("/events?lastEventId=1&timeout=60000", { method: "HEAD" });
    expect(response.status).toBe(200);
    expect(await followers(app)).toBe(0);
  });

  test("has the status and headers of GET for any resource, and no body", async () => {
    const app = await open();
    await app.append("s", { type: "T", data: "x".repeat(200_000) });
    const paths = [
      "/",
      "/events",
      "/streams",
      "/streams/s",
      "/health",
      "/openapi.json",
      "/nothing",
      "/metrics",
    ];
    for (const path of paths) {
      const [head, get] = [await app.fetch(path, { method: "HEAD" }), await app.fetch(path)];
      expect(head.status).toBe(get.status);
      expect(head.headers.get("content-type")).toBe(get.headers.get("content-type"));
      expect(await head.text()).toBe("");
    }
  });
});

test("a malformed Host behind a proxy is answered with a problem, and no page of the runtime", async () => {
  const server = await openServer({ behindProxy: true, open: true });
  const answerFor = (host: string) =>
    new Promise<string>((resolve, reject) => {
      let text = "";
      void Bun.connect({
        hostname: "127.0.0.1",
        port: server.port,
        socket: {
          open: (socket) =>
            void socket.write(`GET /events HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`),
          data: (_, bytes) => void (text += bytes.toString("latin1")),
          close: () => resolve(text),
          error: (_, error) => reject(error),
        },
      });
    });
  try {
    for (const host of [
      "[",
      "[::1",
      "127.0.0.999",
      "a:99999",
      ":",
      "a b",
      "a/b",
      "a\\b",
      "user@host",
      "a%zz",
    ]) {
      const answer = await answerFor(host);
      expect(answer).toMatch(/^HTTP\/1\.1 400 /);
      expect(answer).toContain("application/problem+json");
      expect(answer).not.toContain("<html");
    }
    for (const host of [
      "",
      "localhost",
      "127.0.0.1:4000",
      "kilde.example",
      "[::1]:4000",
      "a_b.example:65535",
    ]) {
      expect(await answerFor(host)).toMatch(/^HTTP\/1\.1 200 /);
    }
  } finally {
    await server.close();
  }
});
