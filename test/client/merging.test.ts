import { afterEach, beforeEach, describe, expect, test } from "bun:test";

import {
  type AppendOptions,
  type ClientOptions,
  createClient,
  KildeError,
  KildeUnreachableError,
} from "../../src/client/index.ts";
import type { Database } from "../../src/storage/database.ts";
import { UNANSWERED } from "../../src/storage/failures.ts";
import { openApp, type TestApp } from "../support/app.ts";
import { newDatabase } from "../support/new-database.ts";
import { runsOn, testInProcess } from "../support/tested-on.ts";

runsOn(["file", "sqld", "worker"]);

const URL = "http://kilde.test";

/** A disturbance of a request; undefined lets the server answer it. */
type Fault = (path: string, init: RequestInit) => Promise<Response> | Response | undefined;

let app: TestApp;
let requests: { readonly path: string; readonly body: string; readonly headers: Headers }[];
let faults: Fault[];
beforeEach(async () => {
  app = await openApp();
  requests = [];
  faults = [];
});
afterEach(() => app.close());

const bodyOf = ({ body }: RequestInit): string => (typeof body === "string" ? body : "");

const pathsSent = () => requests.map(({ path }) => path);

function clientOf(options: Partial<ClientOptions> = {}) {
  return createClient({
    url: URL,
    retry: { attempts: 4, delayMs: 1, maxDelayMs: 2 },
    fetch: async (url, init) => {
      const path = url.slice(URL.length);
      requests.push({ path, body: bodyOf(init), headers: new Headers(init.headers) });
      init.signal?.throwIfAborted();
      return (await faults.shift()?.(path, init)) ?? app.fetch(path, init);
    },
    ...options,
  });
}

/** Entries of the requests to `POST /appends`. */
function merged(): { stream: string; idempotencyKey: string }[][] {
  const bodies = requests.filter(({ path }) => path === "/appends").map(({ body }) => body);
  return bodies.map((body) => JSON.parse(body) as { stream: string; idempotencyKey: string }[]);
}

const outcomeOf = (work: Promise<unknown>): Promise<unknown> => work.catch((error: unknown) => error);

const numbered = (n: number) => ({ type: "A", data: { n } });

const none: Fault = () => undefined;
const lost: Fault = () => Promise.reject(new TypeError("connection reset"));
const lostAnswer: Fault = async (path, init) => {
  await app.fetch(path, init);
  throw new TypeError("connection reset");
};
const busy: Fault = () => new Response("busy", { status: 503 });

describe("appends issued while another is under way", () => {
  test("share a request, and the first one leaves at once", async () => {
    const client = clientOf();
    const results = await Promise.all(
      Array.from({ length: 5 }, (_, n) => client.append(`s-${n}`, numbered(n))),
    );
    expect(pathsSent()).toEqual(["/streams/s-0", "/appends"]);
    expect(results.map(({ stream, version, count }) => [stream, version, count])).toEqual(
      Array.from({ length: 5 }, (_, n) => [`s-${n}`, 1, 1]),
    );
    expect(Object.keys(results[4] ?? {})).toEqual(Object.keys(results[0] ?? {}));
  });

  test("are sent one after another by a caller that waits for each", async () => {
    const client = clientOf();
    for (let n = 0; n < 3; n += 1) await client.append("s", numbered(n));
    expect(pathsSent()).toEqual(["/streams/s", "/streams/s", "/streams/s"]);
  });

  test("keep their order in each stream", async () => {
    const client = clientOf();
    const appends = Array.from({ length: 60 }, (_, n) => client.append(`s-${n % 3}`, numbered(n)));
    await Promise.all(appends);
    for (const stream of [0, 1, 2]) {
      const events = await app.get(`/streams/s-${stream}`);
      expect(events.map(({ data }) => data)).toEqual(
        Array.from({ length: 20 }, (_, n) => ({ n: 3 * n + stream })),
      );
    }
  });

  test("are divided into requests of bounded size", async () => {
    const client = clientOf();
    await Promise.all(Array.from({ length: 500 }, (_, n) => client.append(`s-${n}`, numbered(n))));
    expect(Math.max(...merged().map((entries) => entries.length))).toBe(200);
    requests = [];
    const note = "x".repeat(100_000);
    await Promise.all(
      Array.from({ length: 9 }, (_, n) => client.append(`l-${n}`, { type: "A", data: { note } })),
    );
    expect(Math.max(...merged().map((entries) => entries.length))).toBe(2);
    expect(await app.store.reader.head()).toBe(509);
  });

  test("are halved over two requests while many callers append again and again", async () => {
    const client = clientOf();
    const lane = async (stream: number) => {
      for (let n = 0; n < 10; n += 1) await client.append(`s-${stream}`, numbered(n));
    };
    await Promise.all(Array.from({ length: 64 }, (_, stream) => lane(stream)));
    const sizes = merged().map((entries) => entries.length);
    expect(sizes.slice(2, -8).filter((size) => size < 20 || size > 44)).toEqual([]);
    expect(sizes.length).toBeGreaterThan(15);
  });

  test("share one request when they are to one stream, since no other could be under way", async () => {
    const client = clientOf();
    await client.append("s", numbered(0));
    requests = [];
    await Promise.all(Array.from({ length: 101 }, (_, n) => client.append("s", numbered(n))));
    expect(merged().map((entries) => entries.length)).toEqual([100]);
  });

  test("are divided by stream when they are to two streams", async () => {
    const client = clientOf();
    await Promise.all(Array.from({ length: 65 }, (_, n) => client.append(`s-${n % 2}`, numbered(n))));
    const streams = merged().map((entries) => Array.from(new Set(entries.map(({ stream }) => stream))));
    expect(streams).toEqual([["s-1"], ["s-0"]]);
  });

  test("contain the events as they were when they were appended", async () => {
    const client = clientOf();
    const data = { n: 1 };
    const appends = [client.append("a", { type: "A", data }), client.append("b", { type: "A", data })];
    data.n = 2;
    await Promise.all(appends);
    expect((await app.get("/streams/b")).map((event) => event.data)).toEqual([{ n: 1 }]);
  });

  test("have a request each without an idempotency key", async () => {
    const client = clientOf();
    await Promise.all(
      Array.from({ length: 3 }, (_, n) => client.append(`s-${n}`, numbered(n), { idempotencyKey: null })),
    );
    expect(pathsSent()).toEqual(["/streams/s-0", "/streams/s-1", "/streams/s-2"]);
  });

  test("share a request only with those that state the same identity of the log", async () => {
    const client = clientOf();
    const { identity } = await client.history();
    const other = identity?.replaceAll(/[0-9a-f]/g, (digit) => (digit === "0" ? "1" : "0")) ?? null;
    const options = (n: number): AppendOptions => (n % 2 === 0 ? {} : { logIdentity: other });
    const outcomes = await Promise.all(
      Array.from({ length: 6 }, (_, n) => outcomeOf(client.append(`s-${n}`, numbered(n), options(n)))),
    );
    expect(outcomes.map((outcome) => (outcome instanceof KildeError ? outcome.code : "appended"))).toEqual([
      "appended",
      "log-restored",
      "appended",
      "log-restored",
      "appended",
      "log-restored",
    ]);
  });

  test("call `onLog` with the identity in the answer, each its own", async () => {
    const seen: string[] = [];
    const client = clientOf();
    await Promise.all(
      ["a", "b", "c"].map((stream) =>
        client.append(stream, numbered(1), { onLog: (identity) => seen.push(`${stream} ${identity}`) }),
      ),
    );
    const { identity } = await client.history();
    expect(seen.sort()).toEqual(["a", "b", "c"].map((stream) => `${stream} ${identity}`));
  });

  test("are included in the reads that follow, as the reasons of their refusal are", async () => {
    const client = clientOf();
    await Promise.all([client.append("a", numbered(1)), client.append("b", numbered(2))]);
    await app.append("c", numbered(3));
    await Promise.all([
      client.append("a", numbered(4), { expectedVersion: 1 }),
      outcomeOf(client.append("c", numbered(5), { expectedVersion: 0 })),
      outcomeOf(client.append("c", numbered(6), { expectedVersion: 0 })),
    ]);
    requests = [];
    await Array.fromAsync(client.read({ stream: "c" }));
    expect(Number(requests[0]?.headers.get("kilde-position"))).toBeGreaterThanOrEqual(4);
  });
});

describe("a signal", () => {
  test("takes an append out of the next request", async () => {
    const client = clientOf();
    const stop = new AbortController();
    const appends = ["a", "b", "c"].map((stream) =>
      outcomeOf(client.append(stream, numbered(1), stream === "b" ? { signal: stop.signal } : {})),
    );
    const reason = new Error("enough");
    stop.abort(reason);
    const [, aborted] = await Promise.all(appends);
    expect(aborted).toBe(reason);
    expect(pathsSent()).toEqual(["/streams/a", "/streams/c"]);
  });

  test("ends the wait of its append alone, once the request was sent", async () => {
    const client = clientOf();
    const stop = new AbortController();
    const sent = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    faults = [
      none,
      async (path, init) => {
        sent.resolve();
        await answer.promise;
        return app.fetch(path, { ...init, signal: null });
      },
    ];
    const seen: string[] = [];
    const appends = ["a", "b", "c"].map((stream) => {
      const onLog = () => seen.push(stream);
      return outcomeOf(
        client.append(stream, numbered(1), stream === "b" ? { signal: stop.signal, onLog } : { onLog }),
      );
    });
    await sent.promise;
    stop.abort(new Error("enough"));
    expect(await appends[1]).toBe(stop.signal.reason);
    answer.resolve();
    expect(await appends[2]).toMatchObject({ stream: "c", version: 1 });
    await appends[0];
    expect(seen.sort()).toEqual(["a", "c"]);
  });

  test("cancels the request when no other append of it is left", async () => {
    const client = clientOf();
    const stop = new AbortController();
    const canceled = Promise.withResolvers<void>();
    const silent: Fault = (_, { signal }) => {
      signal?.addEventListener("abort", () => canceled.resolve());
      return Promise.withResolvers<Response>().promise;
    };
    faults = [none, silent];
    const appends = ["a", "b", "c"].map((stream) =>
      outcomeOf(client.append(stream, numbered(1), stream === "a" ? {} : { signal: stop.signal })),
    );
    await appends[0];
    await Bun.sleep(5);
    stop.abort();
    await canceled.promise;
    expect(await appends[1]).toBe(stop.signal.reason);
  });

  test("sends nothing when it is aborted before the append", async () => {
    const reason = new Error("enough");
    expect(await outcomeOf(clientOf().append("a", numbered(1), { signal: AbortSignal.abort(reason) }))).toBe(
      reason,
    );
    expect(requests).toEqual([]);
  });
});

describe("a request for several appends", () => {
  test("is repeated with the same keys when its answer is lost, and takes effect once", async () => {
    faults = [none, lostAnswer, busy, lost];
    const failed: unknown[] = [];
    const client = clientOf({
      onRetry: (error) => failed.push(error),
      retry: { attempts: 5, delayMs: 1, maxDelayMs: 2 },
    });
    const results = await Promise.all(
      Array.from({ length: 5 }, (_, n) => client.append(`s-${n}`, numbered(n))),
    );
    expect(results.map(({ version }) => version)).toEqual(Array.from({ length: 5 }, () => 1));
    expect(await app.store.reader.head()).toBe(5);
    const [first, ...others] = merged();
    expect(others).toEqual([first, first, first].map((entries) => entries ?? []));
    expect(failed).toHaveLength(3);
  });

  test("is replaced by single ones in the last attempt when its answers are lost", async () => {
    const client = clientOf({
      fetch: (url, init) => {
        const path = url.slice(URL.length);
        return path === "/appends" ? Promise.reject(new TypeError("reset")) : app.fetch(path, init);
      },
    });
    const results = await Promise.all(
      Array.from({ length: 9 }, (_, n) => client.append(`s-${n % 3}`, numbered(n))),
    );
    expect(results.map(({ version }) => version)).toEqual([1, 1, 1, 2, 2, 2, 3, 3, 3]);
  });

  test("fails after the last attempt, with each append's own key and path", async () => {
    faults = [none, lostAnswer, lost, lost, lost, lost];
    const client = clientOf();
    const outcomes = await Promise.all(
      ["a", "b", "c"].map((stream) => outcomeOf(client.append(stream, numbered(1)))),
    );
    const keys = merged()[0]?.map(({ idempotencyKey }) => idempotencyKey) ?? [];
    for (const [index, stream] of ["b", "c"].entries()) {
      const error = outcomes[index + 1] as KildeUnreachableError;
      expect(error).toBeInstanceOf(KildeUnreachableError);
      expect(error).toMatchObject({ isOutcomeUnknown: true, idempotencyKey: keys[index] });
      expect(error.message).toContain(`The outcome of POST /streams/${stream} is unknown`);
      expect(await client.findAppend(keys[index] ?? "")).toMatchObject([{ stream, version: 1 }]);
    }
  });

  test("repeats only the appends that the server refuses for a while", async () => {
    const detail = "3 appends are waiting";
    const overloaded = { type: "/problems/overloaded", status: 503, detail, retryAfterSeconds: 0 };
    const refuseLast: Fault = async (path, init) => {
      const entries = JSON.parse(bodyOf(init)) as unknown[];
      const answer = await app.fetch(path, { ...init, body: JSON.stringify(entries.slice(0, -1)) });
      const outcomes = (await answer.json()) as unknown[];
      return Response.json([...outcomes, overloaded], { headers: answer.headers });
    };
    faults = [none, refuseLast];
    const client = clientOf();
    const appends = ["a", "b", "c"].map((stream) => client.append(stream, numbered(1)));
    expect((await Promise.all(appends)).map(({ stream }) => stream)).toEqual(["a", "b", "c"]);
    expect(merged().map((entries) => entries.map(({ stream }) => stream))).toEqual([["b", "c"], ["c"]]);
    const always: Fault = () => Response.json([overloaded]);
    faults = [none, refuseLast, always, always, always];
    const failing = ["d", "e", "f"].map((stream) => outcomeOf(client.append(stream, numbered(1))));
    const [, , failure] = await Promise.all(failing);
    expect(failure).toBeInstanceOf(KildeError);
    expect(failure).toMatchObject({ code: "overloaded", message: detail, members: { status: 503 } });
    expect((failure as KildeError).members).not.toHaveProperty("retryAfterSeconds");
  });

  testInProcess("keeps the order of a stream when the database fails between its commits", async () => {
    const database = await newDatabase();
    let mustFail = false;
    const write: Database["write"] = (statements) => {
      if (!mustFail) return database.write(statements);
      mustFail = false;
      return Promise.reject(Object.assign(new Error("no answer"), { code: UNANSWERED }));
    };
    const failing = await openApp({ database: { ...database, write } });
    let merges = 0;
    const client = clientOf({
      fetch: (url, init) => {
        const path = url.slice(URL.length);
        if (path === "/appends") mustFail = ++merges === 1;
        return failing.fetch(path, init);
      },
    });
    const events = (n: number) => Array.from({ length: 1_500 }, () => numbered(n));
    const appends = [0, 1, 2, 3].map((n) => client.append("s", events(n)));
    const results = await Promise.all(appends);
    expect(results.map(({ version }) => version)).toEqual([1_500, 3_000, 4_500, 6_000]);
    await failing.close();
  });

  test("is replaced by single ones when the server refuses it for one append", async () => {
    const client = clientOf();
    const appends = ["a", "b", "c", "d"].map((stream) => {
      const options = stream === "a" ? {} : { idempotencyKey: stream === "d" ? "other" : "same" };
      return outcomeOf(client.append(stream, numbered(1), options));
    });
    const outcomes = await Promise.all(appends);
    expect(outcomes[0]).toMatchObject({ version: 1 });
    expect(outcomes[3]).toMatchObject({ version: 1 });
    const [used, reused] = [outcomes[1], outcomes[2]].toSorted((a) => (a instanceof KildeError ? 1 : -1));
    expect(used).toMatchObject({ version: 1 });
    expect(reused).toMatchObject({ code: "idempotency-key-reused" });
  });

  test("is not sent again to a server that does not know it", async () => {
    const headers = { "content-type": "application/problem+json" };
    const client = createClient({
      url: URL,
      fetch: (url, init) => {
        const path = url.slice(URL.length);
        requests.push({ path, body: bodyOf(init), headers: new Headers(init.headers) });
        if (path !== "/appends") return app.fetch(path, init);
        return Promise.resolve(
          Response.json({ type: "/problems/method-not-allowed" }, { status: 405, headers }),
        );
      },
    });
    const rounds = 2;
    for (let round = 1; round <= rounds; round += 1) {
      const results = await Promise.all(
        Array.from({ length: 6 }, (_, n) => client.append(`s-${n % 2}`, numbered(n))),
      );
      expect(results.map(({ version }) => version)).toEqual(
        [1, 1, 2, 2, 3, 3].map((n) => n + 3 * (round - 1)),
      );
    }
    expect(merged()).toHaveLength(1);
  });

  test("without a valid token fails each append, without more requests", async () => {
    faults = [
      none,
      () =>
        Response.json(
          { type: "/problems/unauthenticated", detail: "no" },
          {
            status: 401,
            headers: { "content-type": "application/problem+json" },
          },
        ),
    ];
    const client = clientOf();
    const outcomes = await Promise.all(
      ["a", "b", "c"].map((stream) => outcomeOf(client.append(stream, numbered(1)))),
    );
    for (const outcome of outcomes.slice(1)) expect(outcome).toMatchObject({ code: "unauthenticated" });
    expect(requests).toHaveLength(2);
  });
});
