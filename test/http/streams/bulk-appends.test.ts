import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { MAX_BULK_APPENDS } from "../../../src/core/limits.ts";
import type { Database } from "../../../src/storage/database.ts";
import { UNANSWERED } from "../../../src/storage/failures.ts";
import { jsonPost, openApp, type Problem, type TestApp } from "../../support/app.ts";
import { newDatabase } from "../../support/new-database.ts";
import { runsOn, testInProcess } from "../../support/tested-on.ts";

runsOn(["memory", "sqld", "worker"]);

const LIMITS = {
  eventBytes: 300_000,
  eventsPerAppend: 2_000,
  streamNameBytes: 20,
  typeBytes: 10,
  jsonDepth: 8,
};

let app: TestApp;
beforeAll(async () => {
  app = await openApp({ limits: LIMITS });
});
afterAll(() => app.close());

interface Outcome extends Partial<Problem> {
  readonly status: number;
  readonly stream?: string;
  readonly version?: number;
  readonly position?: number;
  readonly count?: number;
  readonly replayed?: boolean;
  readonly instance?: string;
}

const event = (data?: unknown) => ({ type: "Noted", data });

function lines(entries: readonly unknown[]): RequestInit {
  const body = entries.map((entry) => `${JSON.stringify(entry)}\n`).join("");
  return { method: "POST", body, headers: { "content-type": "application/x-ndjson" } };
}

async function outcomesOf(response: Response): Promise<Outcome[]> {
  const text = await response.text();
  expect([response.status, text]).toEqual([200, expect.anything()]);
  if (response.headers.get("content-type") === "application/json") return JSON.parse(text) as Outcome[];
  expect(response.headers.get("content-type")).toBe("application/x-ndjson");
  expect(text.endsWith("\n")).toBeTrue();
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Outcome);
}

const FORMATS = [
  { format: "a JSON array", send: (entries: readonly unknown[]) => app.fetch("/appends", jsonPost(entries)) },
  { format: "NDJSON", send: (entries: readonly unknown[]) => app.fetch("/appends", lines(entries)) },
];

let count = 0;
/** A name that no other test uses. */
function fresh(prefix = "s"): string {
  count += 1;
  return `${prefix}-${count}`;
}

describe.each(FORMATS)("many appends in $format", ({ send }) => {
  test("get one outcome each, in order, and take effect in their order", async () => {
    const [one, two] = [fresh(), fresh()];
    const before = await app.store.reader.head();
    const response = await send([
      { stream: one, events: [event(1), event(2)], expectedVersion: 0 },
      { stream: two, events: [event()] },
      { stream: one, events: [event(3)], expectedVersion: 2 },
      { stream: one, events: [event(4)], expectedVersion: 2 },
      { stream: two, events: [event()], expectedVersion: "exists" },
      { stream: fresh(), events: [event()], expectedVersion: "exists" },
    ]);
    expect(response.headers.get("kilde-position")).toBe(String(before + 5));
    expect(response.headers.get("kilde-log")).toMatch(/^[0-9a-f]{16}$/);
    const outcomes = await outcomesOf(response);
    expect(outcomes).toMatchObject([
      { status: 201, stream: one, version: 2, position: before + 2, count: 2 },
      { status: 201, stream: two, version: 1, position: before + 3, count: 1 },
      { status: 201, stream: one, version: 3, position: before + 4, count: 1 },
      { status: 409, stream: one, currentVersion: 3, type: "/problems/version-conflict" },
      { status: 201, stream: two, version: 2, position: before + 5, count: 1 },
      { status: 409, currentVersion: 0, type: "/problems/version-conflict" },
    ]);
    expect(Object.keys(outcomes[0] ?? {})).toEqual(["status", "stream", "version", "position", "count"]);
    const stored = await app.get(`/streams/${one}`);
    expect(stored.map(({ data }) => data)).toEqual([1, 2, 3]);
  });

  test("are refused as the single append is, and stop no other", async () => {
    const stream = fresh();
    const faulty = [
      { events: [{ type: "Noted", other: 1 }] },
      { events: [] },
      { events: [event()], expectedVersion: -1 },
      { events: [{ type: "kilde.x" }] },
      { events: [{ type: "Noted", data: "x".repeat(LIMITS.eventBytes) }] },
      { events: [{ type: "Noted", metadata: { a: "x".repeat(20_000) } }] },
      { events: [event([[[[[[[[[1]]]]]]]]])] },
      { events: [event()], expectedVersion: 7 },
    ];
    const outcomes = await outcomesOf(
      await send([...faulty.map((append) => ({ stream, ...append })), { stream, events: [event("last")] }]),
    );
    expect(outcomes).toHaveLength(faulty.length + 1);
    expect(outcomes.at(-1)).toMatchObject({ status: 201, version: 1 });
    const other = fresh();
    await app.append(other, event());
    for (const [index, append] of faulty.entries()) {
      const single = await app.fetch(`/streams/${stream}`, jsonPost(append));
      const problem = (await single.json()) as Problem;
      const { detail = "", ...outcome } = outcomes[index] ?? { status: 0 };
      if (problem.currentVersion === undefined) expect({ detail, ...outcome }).toEqual(problem as never);
      else expect(outcome).toMatchObject({ status: 409, type: problem.type, currentVersion: 0 });
    }
  });

  test("are repeated with the same keys without effect, alone or together", async () => {
    const [one, two] = [fresh(), fresh()];
    const [k1, k2, k3] = [fresh("key"), fresh("key"), fresh("key")];
    const entries = [
      { stream: one, events: [event(1)], idempotencyKey: k1 },
      { stream: one, events: [event(2)], idempotencyKey: k2, expectedVersion: 1 },
      { stream: two, events: [event(3)], idempotencyKey: k3, expectedVersion: 9 },
    ];
    const first = await outcomesOf(await send(entries));
    const head = await app.store.reader.head();
    const again = await outcomesOf(await send(entries.toReversed()));
    expect(again.slice(1)).toEqual([
      { ...first[1], replayed: true },
      { ...first[0], replayed: true },
    ] as never);
    expect(again[0]).toMatchObject({ status: 409 });
    const single = await app.fetch(
      `/streams/${one}`,
      jsonPost({ events: [event(2)], expectedVersion: 1 }, { "idempotency-key": k2 }),
    );
    expect(single.headers.get("idempotency-replayed")).toBe("true");
    const { status: _status, ...appended } = first[1] ?? { status: 0 };
    expect(await single.json()).toEqual(appended);
    const found = await app.get<{ results: unknown[] }>(`/appends/${k1}`);
    expect(found.results).toMatchObject([{ stream: one, version: 1 }]);
    const reused = await outcomesOf(
      await send([
        { stream: two, events: [event()], idempotencyKey: k1 },
        { stream: two, events: [event()] },
      ]),
    );
    expect(reused).toMatchObject([
      { status: 422, type: "/problems/idempotency-key-reused" },
      { status: 201, version: 1 },
    ]);
    expect(await app.store.reader.head()).toBe(head + 1);
  });

  test("are refused together when one has no stream or no events, or two have the same key", async () => {
    const before = await app.store.reader.head();
    const good = { stream: fresh(), events: [event()] };
    const faults: [entry: unknown, pointer: string][] = [
      [7, "/1"],
      [[], "/1"],
      [{ events: [event()] }, "/1/stream"],
      [{ stream: 7, events: [event()] }, "/1/stream"],
      [{ stream: "s".repeat(LIMITS.streamNameBytes + 1), events: [event()] }, "/1/stream"],
      [{ stream: "s" }, "/1/events"],
      [{ stream: "s", events: {} }, "/1/events"],
    ];
    for (const [entry, pointer] of faults) {
      const response = await send([good, entry, good]);
      const problem = (await response.json()) as Problem;
      expect([response.status, problem.errors?.map((e) => e.pointer)]).toEqual([422, [pointer]]);
    }
    const keyed = { ...good, idempotencyKey: "twice" };
    const twice = await send([keyed, good, keyed]);
    expect(await twice.json()).toMatchObject({
      status: 422,
      type: "/problems/invalid-body",
      errors: [{ pointer: "/2/idempotencyKey", detail: "is the key of entry 0 as well" }],
    });
    expect((await send([])).status).toBe(422);
    const most = Array.from({ length: MAX_BULK_APPENDS + 1 }, () => good);
    expect(await (await send(most)).json()).toMatchObject({ status: 422, limit: "bulkAppends" });
    const events = Array.from({ length: LIMITS.eventsPerAppend / 2 + 1 }, () => ({ type: "N" }));
    const full = { stream: "s", events };
    expect(await (await send([full, full])).json()).toMatchObject({ status: 422, limit: "eventsPerAppend" });
    expect(await app.store.reader.head()).toBe(before);
  });

  test("are as many as a request may have, in an answer of any size", async () => {
    const streams = Array.from({ length: MAX_BULK_APPENDS }, () => fresh("a-long-name"));
    const outcomes = await outcomesOf(await send(streams.map((stream) => ({ stream, events: [event()] }))));
    expect(outcomes.map(({ stream }) => stream)).toEqual(streams);
    const repeated = await outcomesOf(
      await send(streams.map((stream) => ({ stream, events: [event()], expectedVersion: 0 }))),
    );
    expect(new Set(repeated.map(({ status }) => status))).toEqual(new Set([409]));
    expect(repeated.map(({ stream }) => stream)).toEqual(streams);
  });

  test("are read event by event when they are large, with the same outcomes", async () => {
    const [one, two] = [fresh(), fresh()];
    const large = "x".repeat(LIMITS.eventBytes - 10);
    const entries = [
      { stream: one, events: [event(large), event(large)], idempotencyKey: fresh("key") },
      { stream: two, events: [event(large), { type: "Noted", data: 1, other: 1 }] },
      { stream: two, events: [event("x".repeat(LIMITS.eventBytes))] },
      { stream: two, events: [event(1)] },
      { stream: two, events: Array.from({ length: 900 }, () => event("x".repeat(300))), expectedVersion: 1 },
      { stream: one, events: [event(large), event(2)], expectedVersion: 1 },
    ];
    expect(await outcomesOf(await send(entries))).toMatchObject([
      { status: 201, version: 2 },
      { status: 422, errors: [{ pointer: "/events/1/other" }] },
      { status: 422, limit: "eventBytes", errors: [{ pointer: "/events/0/data" }] },
      { status: 201, version: 1 },
      { status: 201, version: 901 },
      { status: 409, currentVersion: 2 },
    ]);
    const keyed = { stream: one, events: [event(large), event(large)], idempotencyKey: "k" };
    const before = await app.store.reader.head();
    expect(await (await send([keyed, keyed])).json()).toMatchObject({
      errors: [{ pointer: "/1/idempotencyKey" }],
    });
    expect(await (await send([keyed, { events: keyed.events }])).json()).toMatchObject({
      errors: [{ pointer: "/1/stream" }],
    });
    expect(await app.store.reader.head()).toBe(before);
  });
});

describe("the body of many appends", () => {
  const bodies: [name: string, type: string, body: string, status: number, code: string][] = [
    ["half an array", "application/json", '[{"stream":"s","events":[', 400, "malformed-json"],
    ["an object", "application/json", '{"stream":"s","events":[]}', 422, "invalid-body"],
    [
      "a member twice",
      "application/json",
      '[{"stream":"s","stream":"t","events":[]}]',
      400,
      "malformed-json",
    ],
    ["nothing", "application/json", "", 400, "malformed-json"],
    ["no lines", "application/x-ndjson", "\n\n", 422, "invalid-body"],
    ["two values on a line", "application/x-ndjson", "{}{}", 400, "malformed-json"],
    ["an array on a line", "application/x-ndjson", '[{"stream":"s","events":[]}]', 422, "invalid-body"],
    [
      "half an object on a line",
      "application/x-ndjson",
      '{"stream":"s",\n"events":[]}',
      400,
      "malformed-json",
    ],
    ["another format", "text/plain", "[]", 415, "unsupported-media-type"],
    ["a CloudEvent", "application/cloudevents+json", "{}", 415, "unsupported-media-type"],
  ];
  /** A body is read in another way above 256 KiB. */
  const padding = " ".repeat(300_000);
  test.each(bodies)("%s is refused, also beside much whitespace", async (_name, type, body, status, code) => {
    const headers = { "content-type": type };
    const before = await app.store.reader.head();
    const response = await app.fetch("/appends", { method: "POST", body, headers });
    const problem = (await response.json()) as Problem;
    expect([response.status, problem.type]).toEqual([status, `/problems/${code}`]);
    for (const padded of [padding + body, body + padding]) {
      const refused = await app.fetch("/appends", { method: "POST", body: padded, headers });
      expect([status, 422]).toContain(refused.status);
    }
    expect(await app.store.reader.head()).toBe(before);
  });

  testInProcess("may be large, with entries that are larger than an event may be", async () => {
    const small = await openApp({ limits: { eventBytes: 1_000, metadataBytes: 100 } });
    const events = Array.from({ length: 150 }, () => event("x".repeat(900)));
    const entries = ["a", "b", "c"].map((stream) => ({ stream, events }));
    for (const [round, init] of [jsonPost(entries), lines(entries)].entries()) {
      const outcomes = await outcomesOf(await small.fetch("/appends", init));
      expect(outcomes.map(({ version }) => version)).toEqual([150, 150, 150].map((n) => n * (round + 1)));
    }
    await small.close();
  });

  test("may begin with a byte order mark, and have empty lines and carriage returns", async () => {
    const [one, two] = [fresh(), fresh()];
    const texts = [one, two].map((stream) => JSON.stringify({ stream, events: [event()] }));
    const body = `\ufeff\r\n${texts.join("\r\n \t\r\n\n")}\r\n`;
    for (const end of ["", "\r\n".repeat(200_000)]) {
      const headers = { "content-type": "application/x-ndjson; charset=utf-8" };
      const outcomes = await outcomesOf(
        await app.fetch("/appends", { method: "POST", body: body + end, headers }),
      );
      expect(outcomes.map(({ status, stream }) => [status, stream])).toEqual([
        [201, one],
        [201, two],
      ]);
    }
  });

  test("names the line that is not JSON", async () => {
    const body =
      '{"stream":"s","events":[{"type":"A"}]}\n{"stream":"s","events":[{"type":"A","type":"B"}]}\n';
    const headers = { "content-type": "application/x-ndjson" };
    const response = await app.fetch("/appends", { method: "POST", body, headers });
    const { detail, errors } = (await response.json()) as Problem;
    expect(detail).toStartWith("Entry 1: ");
    expect(errors?.[0]?.pointer).toBe("/1/events/0/type");
  });

  test.each(["Idempotency-Key", "If-Match", "If-None-Match"])("has no header %s", async (name) => {
    const init = jsonPost([{ stream: "s", events: [event()] }], { [name]: "*" });
    const response = await app.fetch("/appends", init);
    expect(await response.json()).toMatchObject({ status: 400, errors: [{ parameter: name }] });
  });

  test("states the log that each append was decided on", async () => {
    const stream = fresh();
    const entries = [0, 1].map((version) => ({ stream, events: [event()], expectedVersion: version }));
    const other = await app.fetch("/appends", jsonPost(entries, { "kilde-log": "0123456789abcdef" }));
    expect(await outcomesOf(other)).toMatchObject([
      { status: 409, type: "/problems/log-restored" },
      { status: 409, type: "/problems/log-restored" },
    ]);
    const log = other.headers.get("kilde-log") ?? "";
    const own = await app.fetch("/appends", jsonPost(entries, { "kilde-log": log }));
    expect(await outcomesOf(own)).toMatchObject([{ status: 201 }, { status: 201 }]);
  });
});

describe("many appends of which some fail", () => {
  testInProcess("those that find the queue full are refused, and may be sent again", async () => {
    const small = await openApp({ limits: { waitingAppends: 3 } });
    const entries = Array.from({ length: 5 }, (_, n) => ({ stream: `q-${n}`, events: [event()] }));
    const response = await small.fetch("/appends", jsonPost(entries));
    const overloaded = { status: 503, type: "/problems/overloaded", retryAfterSeconds: 1 };
    const outcomes = await outcomesOf(response);
    expect(outcomes.slice(0, 3)).toMatchObject([{ status: 201 }, { status: 201 }, { status: 201 }]);
    expect(outcomes.slice(3)).toMatchObject([overloaded, overloaded]);
    expect(await small.get("/events")).toHaveLength(3);
    expect(small.faults).toEqual([]);
    await small.close();
  });

  testInProcess("a database that does not answer is the outcome of each, and one fault", async () => {
    const database = await newDatabase();
    let isReachable = true;
    const write: Database["write"] = (statements) =>
      isReachable
        ? database.write(statements)
        : Promise.reject(Object.assign(new Error("no answer"), { code: UNANSWERED }));
    const away = await openApp({ database: { ...database, write } });
    isReachable = false;
    const entries = [
      { stream: "a", events: [event()], idempotencyKey: "one" },
      { stream: "b", events: [{ type: 5 }] },
      { stream: "c", events: [event()], idempotencyKey: "two" },
    ];
    const unavailable = { status: 503, type: "/problems/storage-unavailable", retryAfterSeconds: 1 };
    const first = await outcomesOf(await away.fetch("/appends", jsonPost(entries)));
    expect(first).toMatchObject([unavailable, { status: 422 }, unavailable]);
    expect(away.faults).toHaveLength(1);
    isReachable = true;
    const again = await outcomesOf(await away.fetch("/appends", jsonPost(entries)));
    expect(again).toMatchObject([{ status: 201, version: 1 }, { status: 422 }, { status: 201, version: 1 }]);
    await away.close();
  });
});
