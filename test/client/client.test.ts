import { afterEach, beforeEach, describe, expect, test } from "bun:test";

import {
  createClient,
  type KildeEvent,
  KildeError,
  KildeUnreachableError,
  UnexpectedAnswerError,
  type Client,
  type Retry,
  type Timeouts,
  UnreadableEventError,
} from "../../src/client/index.ts";
import { openApp, type TestApp } from "../support/app.ts";
import { runsOn } from "../support/tested-on.ts";

runsOn(["file", "sqld", "worker"]);

const URL = "http://kilde.test";

/** A disturbance of a request; undefined lets the request through. */
type Fault = (url: string, init: RequestInit) => Promise<Response> | Response | undefined;

let app: TestApp;
let requests: string[];
let faults: Fault[];
let slept: number[];
beforeEach(async () => {
  app = await openApp();
  requests = [];
  faults = [];
  slept = [];
});
afterEach(() => app.close());

function client(retry: Partial<Retry> = {}, timeouts: Partial<Timeouts> = {}) {
  return createClient({
    url: URL,
    retry,
    timeouts,
    fetch: async (url, init) => {
      requests.push(`${init.method ?? "GET"} ${url.slice(URL.length)}`);
      const answer = faults.shift()?.(url, init);
      if (answer !== undefined) return await answer;
      return await app.fetch(url.slice(URL.length), init);
    },
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        slept.push(ms);
        setTimeout(resolve, 1);
        signal?.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
      }),
    random: () => 1,
  });
}

const lost: Fault = () => Promise.reject(new TypeError("connection reset"));
/** The request arrives, but its answer does not. */
const lostAnswer: Fault = async (url, init) => {
  await app.fetch(url.slice(URL.length), init);
  throw new TypeError("connection reset");
};
const unavailable: Fault = () => new Response("busy", { status: 503, headers: { "retry-after": "2" } });

/** The event at a position arrives with data that is not JSON. */
const corrupt =
  (position: number): Fault =>
  async (url, init) => {
    const response = await app.fetch(url.slice(URL.length), init);
    const text = response.body?.pipeThrough(new TextDecoderStream());
    const event = new RegExp(`("id":"${position}",[^\\n]*"data":)`);
    let line = "";
    const spoil = new TransformStream<string, string>({
      transform(chunk, controller) {
        const end = chunk.lastIndexOf("\n") + 1;
        if (end > 0) {
          controller.enqueue((line + chunk.slice(0, end)).replace(event, "$1{"));
          line = "";
        }
        line += chunk.slice(end);
      },
      flush: (controller) => controller.enqueue(line.replace(event, "$1{")),
    });
    return new Response(text?.pipeThrough(spoil).pipeThrough(new TextEncoderStream()) ?? null, response);
  };

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const list: Item[] = [];
  for await (const item of items) list.push(item);
  return list;
}

describe("append", () => {
  test("accepts one event or several, and returns their places", async () => {
    expect(await client().append("user/1", { type: "A", data: { n: 1 } })).toEqual({
      stream: "user/1",
      version: 1,
      position: 1,
      count: 1,
    });
    expect(
      await client().append("user/1", [{ type: "B" }, { type: "C" }], { expectedVersion: 1 }),
    ).toMatchObject({
      version: 3,
      count: 2,
    });
  });

  test("fails with the server's problem", async () => {
    await client().append("s", { type: "A" });
    const error = await client()
      .append("s", { type: "A" }, { expectedVersion: 0 })
      .catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(KildeError);
    expect(error).toMatchObject({ code: "version-conflict", members: { currentVersion: 1 } });
    expect(requests).toHaveLength(2);
  });

  test("is retried when an answer is lost, and takes effect once", async () => {
    faults = [lostAnswer, lost, unavailable];
    expect(await client().append("s", { type: "A" })).toMatchObject({ version: 1 });
    expect(requests).toHaveLength(4);
    expect(slept).toEqual([100, 200, 2_000]);
    expect(await app.store.reader.head()).toBe(1);
  });

  test.each([
    ["Fri, 31 Dec 9999 23:59:59 GMT", 30_000],
    ["99999999999", 30_000],
    ["Sun, 06 Nov 1994 08:49:42 GMT", 5_000],
    ["never", 100],
  ])("is repeated, after an answer with Retry-After %s, after %d ms", async (value, ms) => {
    const headers = { "retry-after": value, date: "Sun, 06 Nov 1994 08:49:37 GMT" };
    faults = [() => new Response("busy", { status: 503, headers })];
    const patient = client({ maxRetryAfterMs: 30_000 });
    expect(await patient.append("s", { type: "A" })).toMatchObject({ version: 1 });
    expect(slept).toEqual([ms]);
  });

  test("is not repeated without a key", async () => {
    faults = [lostAnswer];
    const appending = client().append("s", { type: "A" }, { idempotencyKey: null });
    await expect(appending).rejects.toBeInstanceOf(KildeUnreachableError);
    await appending.catch(() => {});
    expect(requests).toHaveLength(1);
  });

  test("rejects after the last attempt", async () => {
    faults = Array.from({ length: 9 }, () => lost);
    await expect(client().append("s", { type: "A" })).rejects.toBeInstanceOf(KildeUnreachableError);
    await Bun.sleep(50);
    expect(requests).toHaveLength(5);
  });

  test("reports an answer that is not from Kilde", async () => {
    faults = [() => new Response("<html>", { status: 404 })];
    const error = await client()
      .append("s", { type: "A" })
      .catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(UnexpectedAnswerError);
    faults = [() => Response.json({ type: "https://other.example/problems/x" }, { status: 400 })];
    await expect(client().append("s", { type: "A" })).rejects.toBeInstanceOf(UnexpectedAnswerError);
  });

  test("transactions append to several streams", async () => {
    const results = await client().transact([
      { stream: "a", events: [{ type: "A" }] },
      { stream: "b", events: [{ type: "B" }], expectedVersion: 0 },
    ]);
    expect(results.map(({ stream, version }) => [stream, version])).toEqual([
      ["a", 1],
      ["b", 1],
    ]);
  });
});

describe("read", () => {
  beforeEach(async () => {
    for (let n = 0; n < 25; n += 1) {
      await app.append(`s-${n % 2}`, {
        type: n % 5 === 0 ? "Five" : "Other",
        data: { n },
        metadata: { correlationId: "c", n },
      });
    }
  });

  const positions = (events: readonly KildeEvent[]) => events.map(({ position }) => position);

  test("returns every event of the log, page by page", async () => {
    expect(positions(await all(client().read({ pageSize: 10 })))).toEqual(
      Array.from({ length: 25 }, (_, n) => n + 1),
    );
    expect(await all(client().readPages({ pageSize: 10 }))).toHaveLength(3);
  });

  test("returns the selected events", async () => {
    expect(positions(await all(client().read({ limit: 3 })))).toEqual([1, 2, 3]);
    expect(positions(await all(client().read({ limit: 3, pageSize: 2, lastEventId: "20" })))).toEqual([
      21, 22, 23,
    ]);
    expect(positions(await all(client().read({ direction: "backwards", pageSize: 4, limit: 6 })))).toEqual([
      25, 24, 23, 22, 21, 20,
    ]);
    expect(positions(await all(client().read({ types: ["Five"], streamPrefix: "s-1" })))).toEqual([6, 16]);
    expect(positions(await all(client().read({ stream: "s-0", afterVersion: 10 })))).toEqual([21, 23, 25]);
    expect(positions(await all(client().read({ stream: "s-0", toVersion: 1 })))).toEqual([1]);
    expect(await all(client().read({ stream: "s-0", asOf: new Date(0) }))).toEqual([]);
    expect(await all(client().read({ limit: 0 }))).toEqual([]);
  });

  test("events have every member that was appended", async () => {
    const [event] = await all(client().read<{ n: number }>({ lastEventId: 10, limit: 1 }));
    expect(event).toMatchObject({
      id: "11",
      subject: "s-0",
      version: 6,
      type: "Five",
      data: { n: 10 },
      erased: false,
    });
    expect(event?.metadata).toEqual({ correlationId: "c", n: 10 });
    expect(event?.recordedTime).toBe(event?.time ?? "");
  });

  test("continues after a lost page", async () => {
    faults = [() => undefined, lost, unavailable, () => undefined];
    expect(positions(await all(client().read({ pageSize: 10 })))).toHaveLength(25);
  });

  test("continues after an incomplete answer", async () => {
    const cut: Fault = async (url, init) => {
      const whole = await (await app.fetch(url.slice(URL.length), init)).text();
      return new Response(whole.slice(0, 100), {
        headers: { "content-type": "application/cloudevents-batch+json" },
      });
    };
    faults = [cut, cut];
    expect(positions(await all(client().read()))).toHaveLength(25);
  });

  test("names the log and the event that is not JSON, and does not retry", async () => {
    faults = [corrupt(7)];
    const error = await all(client().read()).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(UnreadableEventError);
    expect(error).toMatchObject({ log: "/events", position: 7, message: "Event 7 of /events is not JSON" });
    expect(requests).toHaveLength(1);
    faults = [corrupt(24)];
    await expect(all(client().read({ stream: "s-1" }))).rejects.toMatchObject({
      log: "/streams/s-1",
      position: 24,
    });
  });

  test("rejects an answer that is not a page, and does not retry", async () => {
    for (const body of ["<html>", '{"events":[]}', ""]) {
      faults = [() => new Response(body, { headers: { "content-type": "text/html" } })];
      await expect(all(client().read())).rejects.toBeInstanceOf(UnexpectedAnswerError);
    }
    expect(requests).toHaveLength(3);
  });

  test("ends early without a further request", async () => {
    for await (const event of client().read({ pageSize: 5 })) if (event.position === 3) break;
    expect(requests.length).toBeLessThanOrEqual(2);
  });

  test("streams are listed over pages", async () => {
    await app.append("t", { type: "T" });
    const names = async (options: object) =>
      (await all(client().streams(options))).map(({ stream }) => stream);
    expect(await names({ pageSize: 1 })).toEqual(["s-0", "s-1", "t"]);
    expect(await names({ changedSince: 24, pageSize: 1 })).toEqual(["s-0", "t"]);
    expect(await names({ prefix: "s" })).toEqual(["s-0", "s-1"]);
  });

  test("erase: is retried after a lost answer, and does not erase later events", async () => {
    for (const version of [undefined, 1]) {
      const stream = `lost-${version ?? "any"}`;
      await client().append(stream, { type: "A" });
      faults = [
        async (url, init) => {
          await app.fetch(url.slice(URL.length), init);
          // Another writer begins the stream again.
          await client().append(stream, { type: "B" }, { expectedVersion: 2 });
          throw new TypeError("connection reset");
        },
      ];
      expect(await client().erase(stream, "asked", version === undefined ? {} : { version })).toBe(2);
      const events = await Array.fromAsync(client().read({ stream }));
      expect(events.map(({ type }) => type)).toEqual(["kilde.erased", "B"]);
    }
    await expect(client().erase("lost-1", "asked", { version: 1 })).rejects.toMatchObject({
      code: "precondition-failed",
    });
  });

  test("head, truncate and erase resolve to positions and versions", async () => {
    expect(await client().head()).toBe(25);
    expect(await client().truncate("s-0", 5)).toBe(5);
    expect(await client().erase("s-1", "asked for")).toBe(13);
    const [tombstone] = await all(client().read({ stream: "s-1" }));
    expect(tombstone).toMatchObject({ erased: true, reason: "asked for" });
    await expect(client().erase("none", "r")).rejects.toMatchObject({ code: "stream-not-found" });
    await expect(client().erase("s-0", "r", { version: 1 })).rejects.toMatchObject({
      code: "precondition-failed",
    });
  });
});

describe("follow", () => {
  /** Lets some of a stream through, and then breaks the connection in the middle of an event. */
  const breakAfter =
    (bytes: number): Fault =>
    async (url, init) => {
      const response = await app.fetch(url.slice(URL.length), init);
      let left = bytes;
      const cut = new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          controller.enqueue(chunk.subarray(0, left));
          left -= chunk.byteLength;
          if (left <= 0) controller.error(new Error("connection reset"));
        },
      });
      return new Response(response.body?.pipeThrough(cut) ?? null, response);
    };

  test("throws for an event that is not JSON, after the events before it", async () => {
    await app.append("s", ...Array.from({ length: 25 }, (_, n) => ({ type: "T", data: { n } })));
    faults = [breakAfter(2_000), corrupt(20)];
    const taken: number[] = [];
    const following = (async () => {
      for await (const { position } of client().follow({ lastEventId: 0 })) taken.push(position);
    })();
    await expect(following).rejects.toMatchObject({
      name: "UnreadableEventError",
      log: "/events",
      position: 20,
    });
    expect(taken).toEqual(Array.from({ length: 19 }, (_, index) => index + 1));
    expect(requests).toHaveLength(2);
  });

  test("throws for an answer that is not an event stream", async () => {
    faults = [() => new Response("<html>", { headers: { "content-type": "text/html" } })];
    await expect(take(1)).rejects.toBeInstanceOf(UnexpectedAnswerError);
  });

  async function take(count: number, options: object = {}): Promise<KildeEvent[]> {
    const taken: KildeEvent[] = [];
    for await (const event of client().follow(options)) if (taken.push(event) === count) break;
    return taken;
  }

  test("yields each event once through connections that break anywhere", async () => {
    const total = 60;
    faults = Array.from({ length: 25 }, (_, n) => (n % 4 === 3 ? lost : breakAfter(100 + 97 * n)));
    const taking = take(total);
    for (let n = 0; n < total; n += 1) await app.append(`s-${n % 3}`, { type: "T", data: "x".repeat(n) });
    expect((await taking).map(({ position }) => position)).toEqual(
      Array.from({ length: total }, (_, n) => n + 1),
    );
  });

  test("continues from a cursor, filtered, on one stream", async () => {
    await app.append("a", { type: "A" }, { type: "B" });
    await app.append("b", { type: "A" });
    expect((await take(2, { lastEventId: 1 })).map(({ position }) => position)).toEqual([2, 3]);
    expect((await take(2, { types: ["A"] })).map(({ position }) => position)).toEqual([1, 3]);
    expect((await take(1, { stream: "b" })).map(({ position }) => position)).toEqual([3]);
  });

  test("waits longer from attempt to attempt, until one succeeds", async () => {
    await app.append("s", { type: "A" });
    faults = [lost, lost, unavailable, lost];
    await take(1);
    expect(slept).toEqual([100, 200, 2_000, 800]);
  });

  test("connects again soon after each connection that sent heartbeats, however long nothing is appended", async () => {
    /** Ends after some heartbeats, as streams of a worker, or behind a proxy with a deadline. */
    const quiet =
      (heartbeats: number): Fault =>
      () => {
        let left = heartbeats;
        const body = new ReadableStream<Uint8Array>({
          async pull(controller) {
            await Bun.sleep(50);
            if (left === 0) return controller.close();
            left -= 1;
            controller.enqueue(new TextEncoder().encode(":\n\n"));
          },
        });
        return new Response(body, { headers: { "content-type": "text/event-stream" } });
      };
    await app.append("s", { type: "A" });
    faults = [quiet(9), quiet(9), quiet(9), quiet(0), quiet(0)];
    for await (const { position } of client({}, { silenceMs: 200 }).follow()) {
      expect(position).toBe(1);
      break;
    }
    expect(slept).toEqual([100, 100, 100, 200, 400]);
  });

  test("ends when it is aborted, even during a wait", async () => {
    const stop = new AbortController();
    const following = all(client().follow({ signal: stop.signal }));
    await Bun.sleep(10);
    stop.abort();
    expect(await following).toEqual([]);
  });

  test("throws errors that another attempt would not change", async () => {
    await expect(all(client().follow({ lastEventId: 5 }))).rejects.toMatchObject({
      code: "cursor-beyond-head",
    });
  });

  test("treats a connection that is silent for too long as dead", async () => {
    await app.append("s", { type: "A" });
    const silent: Fault = () =>
      new Response(new ReadableStream({ pull: () => new Promise(() => {}) }), {
        headers: { "content-type": "text/event-stream" },
      });
    faults = [silent];
    const impatient = createClient({
      url: URL,
      fetch: async (url, init) =>
        (await faults.shift()?.(url, init)) ?? (await app.fetch(url.slice(URL.length), init)),
      timeouts: { silenceMs: 50 },
    });
    for await (const event of impatient.follow()) {
      expect(event.position).toBe(1);
      break;
    }
    expect(faults).toEqual([]);
  });
});

describe("a server that allows small pages only", () => {
  beforeEach(async () => {
    await app.close();
    app = await openApp({ limits: { pageEvents: 7 } });
    for (let number = 0; number < 20; number += 1)
      await app.append(`s-${number}`, { type: "A", data: number });
  });

  test("is read to the end, and in parts", async () => {
    const positions = async (options: Parameters<Client["read"]>[0]) =>
      (await all(client().read(options))).map(({ position }) => position);
    const every = Array.from({ length: 20 }, (_, index) => index + 1);
    expect(await positions({})).toEqual(every);
    expect(await positions({ pageSize: 10 })).toEqual(every);
    expect(await positions({ limit: 12 })).toEqual(every.slice(0, 12));
    expect(await positions({ limit: 5 })).toEqual(every.slice(0, 5));
    expect(await positions({ direction: "backwards", limit: 9 })).toEqual(every.toReversed().slice(0, 9));
  });

  test("lists its streams, those that changed, and its consumers", async () => {
    expect(await all(client().streams())).toHaveLength(20);
    expect(await all(client().streams({ changedSince: 4 }))).toHaveLength(16);
    expect(await all(client().streams({ pageSize: 1_000 }))).toHaveLength(20);
    for (let number = 0; number < 9; number += 1) await client().commit(1, { consumer: `c-${number}` });
    expect(await all(client().consumers())).toHaveLength(9);
  });
});
