import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { DEFAULT_LIMITS } from "../../../src/core/limits.ts";
import { jsonPost, openApp, type Problem, type TestApp } from "../../support/app.ts";
import { runsOn, testInProcess } from "../../support/tested-on.ts";

runsOn(["memory", "sqld", "worker"]);

const LIMITS = {
  eventBytes: 1_000,
  bodyBytes: 20_000,
  eventsPerAppend: 10,
  streamNameBytes: 20,
  typeBytes: 10,
  metadataBytes: 100,
  jsonDepth: 8,
  idempotencyKeyBytes: 10,
};

let app: TestApp;
beforeAll(async () => {
  app = await openApp({ limits: LIMITS });
});
afterAll(() => app.close());

/** Sends a request that must be refused, and checks that nothing was written by it. */
async function refused(path: string, init: RequestInit): Promise<Problem> {
  const before = await app.store.reader.head();
  const response = await app.fetch(path, init);
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  const problem = (await response.json()) as Problem;
  expect(problem.status).toBe(response.status);
  expect(problem.remedy.length).toBeGreaterThan(10);
  expect(problem.detail.length).toBeGreaterThan(5);
  expect(await app.store.reader.head()).toBe(before);
  expect(app.faults).toEqual([]);
  return problem;
}

const body = (text: string) => `{"events":[{"type":"T","data":${text}}]}`;
const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);

describe("a body", () => {
  const bodies: [name: string, body: string, status: number, code: string, pointer?: string][] = [
    ["nothing", "", 400, "malformed-json"],
    ["half an object", '{"events":[', 400, "malformed-json"],
    ["two texts", "{} {}", 400, "malformed-json"],
    ["a comment", '{"events":[] /* none */}', 400, "malformed-json"],
    ["a trailing comma", '{"events":[{"type":"T"},]}', 400, "malformed-json"],
    ["NaN", body("NaN"), 400, "malformed-json"],
    ["a raw control character", body('"\u0001"'), 400, "malformed-json"],
    ["a member twice", '{"events":[{"type":"T","type":"U"}]}', 400, "malformed-json", "/events/0/type"],
    ["a member twice in data", body('{"a":{"b":1,"b":2}}'), 400, "malformed-json", "/events/0/data/a/b"],
    [
      "a member twice, written differently",
      body('{"a":1,"\\u0061":2}'),
      400,
      "malformed-json",
      "/events/0/data/a",
    ],
    ["a lone surrogate", body('"\\ud800"'), 400, "malformed-json", "/events/0/data"],
    ["a lone surrogate in a name", body('{"\\udc00":1}'), 400, "malformed-json", "/events/0/data"],
    ["a list", "[]", 422, "invalid-body"],
    ["null", "null", 422, "invalid-body"],
    ["no events", '{"events":[]}', 422, "invalid-body", "/events"],
    ["an unknown member", '{"events":[{"type":"T"}],"extra":1}', 422, "invalid-body", "/extra"],
    [
      "an unknown member of an event",
      '{"events":[{"type":"T","id":"1"}]}',
      422,
      "invalid-body",
      "/events/0/id",
    ],
    ["no type", '{"events":[{"data":1}]}', 422, "invalid-body", "/events/0/type"],
    ["a type that is a number", '{"events":[{"type":1}]}', 422, "invalid-body", "/events/0/type"],
    ["an empty type", '{"events":[{"type":""}]}', 422, "invalid-body", "/events/0/type"],
    ["NUL in a type", '{"events":[{"type":"a\\u0000b"}]}', 422, "invalid-body", "/events/0/type"],
    ["a long type", `{"events":[{"type":"${"t".repeat(11)}"}]}`, 422, "invalid-body", "/events/0/type"],
    ["a reserved type", '{"events":[{"type":"kilde.x"}]}', 422, "invalid-body", "/events/0/type"],
    [
      "a time without offset",
      '{"events":[{"type":"T","time":"2026-01-01T00:00:00"}]}',
      422,
      "invalid-body",
      "/events/0/time",
    ],
    [
      "a day that is not",
      '{"events":[{"type":"T","time":"2026-02-30T00:00:00Z"}]}',
      422,
      "invalid-body",
      "/events/0/time",
    ],
    [
      "a correlation that is a number",
      '{"events":[{"type":"T","metadata":{"correlationId":1}}]}',
      422,
      "invalid-body",
      "/events/0/metadata/correlationId",
    ],
    [
      "a negative version",
      '{"events":[{"type":"T"}],"expectedVersion":-1}',
      422,
      "invalid-body",
      "/expectedVersion",
    ],
    [
      "half a version",
      '{"events":[{"type":"T"}],"expectedVersion":1.5}',
      422,
      "invalid-body",
      "/expectedVersion",
    ],
    [
      "a version beyond numbers",
      '{"events":[{"type":"T"}],"expectedVersion":1e400}',
      422,
      "invalid-body",
      "/expectedVersion",
    ],
    [
      "an unknown expectation",
      '{"events":[{"type":"T"}],"expectedVersion":"none"}',
      422,
      "invalid-body",
      "/expectedVersion",
    ],
    ["large data", body(`"${"x".repeat(999)}"`), 422, "limit-exceeded", "/events/0/data"],
    ["large data in bytes", body(`"${"é".repeat(500)}"`), 422, "limit-exceeded", "/events/0/data"],
    [
      "large metadata",
      `{"events":[{"type":"T","metadata":{"a":"${"x".repeat(100)}"}}]}`,
      422,
      "limit-exceeded",
    ],
    [
      "many events",
      JSON.stringify({ events: Array.from({ length: 11 }, () => ({ type: "T" })) }),
      422,
      "limit-exceeded",
    ],
    ["deep data", body(nested(9)), 422, "limit-exceeded", "/events/0/data"],
    ["very deep data", body(nested(5_000)), 422, "limit-exceeded"],
  ];
  for (const [name, text, status, code, pointer] of bodies) {
    test(`is refused with ${status} ${code}: ${name}`, async () => {
      const problem = await refused("/streams/s", jsonPost(text));
      expect([problem.status, problem.type]).toEqual([status, `/problems/${code}`]);
      if (pointer !== undefined) expect(problem.errors?.map((error) => error.pointer)).toContain(pointer);
    });
  }

  test("is refused with 400 when its bytes are not UTF-8", async () => {
    const bytes = new Uint8Array([
      ...new TextEncoder().encode('{"events":[{"type":"T","data":"'),
      0xc3,
      0x28,
      0x22,
    ]);
    const init = { method: "POST", body: bytes, headers: { "content-type": "application/json" } };
    expect((await refused("/streams/s", init)).type).toBe("/problems/malformed-json");
  });

  test("is refused before parsing when it is deeper than a parser takes", async () => {
    const deep = await openApp({ limits: { bodyBytes: 10_000_000, eventBytes: 2_300_000 } });
    const response = await deep.fetch("/streams/s", jsonPost(body(nested(1_000_000))));
    expect(response.status).toBe(422);
    await deep.close();
  });

  const types: [type: string | null, status: number][] = [
    [null, 415],
    ["text/plain", 415],
    ["application/xml", 415],
    ["application/x-www-form-urlencoded", 415],
    ["application/cloudevents+xml", 415],
  ];
  for (const [type, status] of types) {
    test(`is refused with ${status} for Content-Type ${type}`, async () => {
      const bytes = new TextEncoder().encode(body("1"));
      const headers: Record<string, string> = type === null ? {} : { "content-type": type };
      expect((await refused("/streams/s", { method: "POST", body: bytes, headers })).status).toBe(status);
    });
  }

  test("is refused with 415 when it is compressed", async () => {
    const problem = await refused("/streams/s", jsonPost(body("1"), { "content-encoding": "gzip" }));
    expect(problem.type).toBe("/problems/unsupported-media-type");
  });

  testInProcess("is refused with 413, unread, when its announced length is too large", async () => {
    let pulled = false;
    const stream = new ReadableStream({ pull: () => void (pulled = true) }, { highWaterMark: 0 });
    const headers = { "content-type": "application/json", "content-length": "20001" };
    const problem = await refused("/streams/s", { method: "POST", body: stream, headers });
    expect(problem).toMatchObject({ status: 413, limit: "bodyBytes" });
    expect(pulled).toBe(false);
  });

  testInProcess("is refused with 413 where it becomes too large when its length is unknown", async () => {
    let sent = 0;
    const stream = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += 1;
        controller.enqueue(new Uint8Array(1_000).fill(0x20));
      },
    });
    const problem = await refused("/streams/s", {
      method: "POST",
      body: stream,
      headers: { "content-type": "application/json" },
    });
    expect(problem.status).toBe(413);
    expect(sent).toBeLessThan(40);
  });

  test("a transaction's faults point into it", async () => {
    const at = async (appends: unknown) =>
      (await refused("/transactions", jsonPost({ appends }))).errors?.[0]?.pointer;
    expect(await at([])).toBe("/appends");
    expect(
      await at([
        { stream: "s", events: [{ type: "T" }] },
        { stream: "\n", events: [{ type: "T" }] },
      ]),
    ).toBe("/appends/1/stream");
    expect(await at([{ stream: "s", events: [{ type: "T" }, { type: "" }] }])).toBe(
      "/appends/0/events/1/type",
    );
    expect(await at([{ stream: "s", events: [{ type: "T", data: JSON.parse(nested(9)) }] }])).toBe(
      "/appends/0/events/0/data",
    );
    const many = Array.from({ length: 6 }, (_, n) => ({
      stream: `s${n}`,
      events: [{ type: "T" }, { type: "T" }],
    }));
    expect((await refused("/transactions", jsonPost({ appends: many }))).limit).toBe("eventsPerAppend");
  });
});

describe("a body just within the limits", () => {
  const bodies: [name: string, stream: string, text: string][] = [
    ["data", "s", body(`"${"x".repeat(998)}"`)],
    ["data in bytes", "s", body(`"${"é".repeat(499)}"`)],
    ["events", "s", JSON.stringify({ events: Array.from({ length: 10 }, () => ({ type: "T" })) })],
    ["depth", "s", body(nested(8))],
    ["type", "s", `{"events":[{"type":"${"t".repeat(10)}"}]}`],
    ["stream name", "é".repeat(10), body("1")],
    ["surrogate pairs", "s", body('"\\ud83d\\ude00"')],
    ["an escaped NUL in data", "s", body('"\\u0000"')],
    ["a number beyond numbers", "s", body("1e400")],
  ];
  for (const [name, stream, text] of bodies) {
    test(`is accepted: ${name}`, async () => {
      const response = await app.fetch(`/streams/${encodeURIComponent(stream)}`, jsonPost(text));
      expect(response.status).toBe(201);
      const written = await (
        await app.fetch(`/streams/${encodeURIComponent(stream)}?direction=backwards&limit=1`)
      ).text();
      expect(() => JSON.parse(written)).not.toThrow();
    });
  }
});

describe("an invalid stream name", () => {
  const names = ["%00", "a%0Ab", "a%7Fb", "%C2%80", "a".repeat(21), "%C3%A9".repeat(11), "%2e", "%2E%2E"];
  for (const name of names) {
    test(`is refused: ${name}`, async () => {
      const path = `/streams/${name}`;
      const url = new URL(path, "http://kilde.test");
      // URL parsers take these as steps in the path, so that they never arrive as a name.
      if (url.pathname !== path) {
        expect((await app.fetch(path, jsonPost(body("1")))).status).toBeGreaterThanOrEqual(404);
        return;
      }
      expect((await refused(path, jsonPost(body("1")))).errors?.[0]?.parameter).toBe("stream");
      expect((await refused(path, {})).status).toBe(400);
    });
  }
});

describe("an invalid parameter", () => {
  const queries: [path: string, parameter: string][] = [
    ["/events?limit=0", "limit"],
    ["/events?limit=-1", "limit"],
    ["/events?limit=1.5", "limit"],
    ["/events?limit=1e3", "limit"],
    ["/events?limit=", "limit"],
    ["/events?limit=10001", "limit"],
    ["/events?limit=1&limit=2", "limit"],
    ["/events?lastEventId=-1", "lastEventId"],
    ["/events?lastEventId=x", "lastEventId"],
    ["/events?lastEventId=99999999999999999999", "lastEventId"],
    ["/events?lasteventid=1", "lasteventid"],
    ["/events?after=1", "after"],
    ["/events?timeout=60001", "timeout"],
    ["/events?direction=up", "direction"],
    ["/events?prefix=a", "prefix"],
    ["/events?afterVersion=1", "afterVersion"],
    ["/streams?changedSince=x", "changedSince"],
    ["/streams?lastEventId=1", "lastEventId"],
    ["/streams/s?asOf=yesterday", "asOf"],
    ["/streams/s?subjectPrefix=a", "subjectPrefix"],
    ["/streams/s?toVersion=-1", "toVersion"],
  ];
  for (const [path, parameter] of queries) {
    test(`is refused: ${path}`, async () => {
      const problem = await refused(path, {});
      expect(problem.type).toBe("/problems/invalid-parameter");
      expect(problem.errors?.[0]?.parameter).toBe(parameter);
    });
  }

  for (const key of ["", "k".repeat(11), "a\tb"]) {
    test(`is refused: Idempotency-Key ${JSON.stringify(key)}`, async () => {
      const problem = await refused("/streams/s", jsonPost(body("1"), { "idempotency-key": key }));
      expect(problem.errors?.[0]?.parameter).toBe("Idempotency-Key");
    });
  }
});

describe("methods and addresses", () => {
  const cases: [method: string, path: string, status: number, allow: string | null][] = [
    ["PUT", "/events", 405, "GET, HEAD, OPTIONS"],
    ["POST", "/events", 405, "GET, HEAD, OPTIONS"],
    ["PATCH", "/streams/s", 405, "GET, POST, DELETE, HEAD, OPTIONS"],
    ["GET", "/transactions", 405, "POST, OPTIONS"],
    ["GET", "/nothing", 404, null],
    ["GET", "/problems/none", 404, null],
  ];
  for (const [method, path, status, allow] of cases) {
    test(`answer ${method} ${path} with ${status}`, async () => {
      const response = await app.fetch(path, { method });
      expect(response.status).toBe(status);
      expect(response.headers.get("allow")).toBe(allow);
      expect(response.headers.get("content-type")).toBe("application/problem+json");
    });
  }

  test("are listed by OPTIONS", async () => {
    const response = await app.fetch("/streams/s", { method: "OPTIONS" });
    expect([response.status, response.headers.get("allow")]).toEqual([
      204,
      "GET, POST, DELETE, HEAD, OPTIONS",
    ]);
  });
});

test("every limit has a positive default, except the rate of requests, which is off", () => {
  const off = Object.entries(DEFAULT_LIMITS).filter(([, value]) => value <= 0);
  expect(off).toEqual([["requestsPerSecond", 0]]);
});

testInProcess("appends beyond the longest queue are refused, and queued ones are written", async () => {
  const small = await openApp({ limits: { waitingAppends: 5 } });
  const all = await Promise.all(
    Array.from({ length: 20 }, (_, n) => small.fetch(`/streams/s-${n}`, jsonPost(body("1")))),
  );
  const taken = all.filter(({ status }) => status === 201).length;
  expect(all.filter(({ status }) => status === 503).length).toBe(20 - taken);
  expect(taken).toBeGreaterThanOrEqual(5);
  expect(await small.store.reader.head()).toBe(taken);
  await small.close();
});
