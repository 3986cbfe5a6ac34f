import { afterEach, describe, expect, test } from "bun:test";
import { consent } from "kilde/webhook";
import { HTTP, type CloudEventV1 } from "cloudevents";
import { Webhook } from "standardwebhooks";

import { openDatabase } from "../../../src/storage/open.ts";
import { cleanUp, databaseOf, emptyFolder, serve, type Served } from "../../cli/support.ts";
import { eventually } from "../../support/eventually.ts";
import { jsonPost, TEST_SECRET_KEY } from "../../support/app.ts";
import { runsOn, TESTED_ON } from "../../support/tested-on.ts";

runsOn(["file", "sqld"]);

/*
 * The server as it runs, delivering to receivers that know nothing of Kilde: verified and read with the public
 * libraries of Standard Webhooks and CloudEvents.
 */

cleanUp();

const environment = { KILDE_SECRET_KEYS: TEST_SECRET_KEY, KILDE_EGRESS_ALLOW: "127.0.0.1" };

interface Taken {
  readonly webhookId: string;
  readonly at: number;
  readonly events: readonly CloudEventV1<unknown>[];
  readonly isBatch: boolean;
  readonly status: number;
  readonly signatures: string;
  /** When it was signed, in seconds since 1970. */
  readonly signedAt: number;
}

interface Receiver {
  readonly url: string;
  readonly port: number;
  /** Secrets that it verifies with: each of them has to fit. */
  secrets: string[];
  readonly requests: Taken[];
  readonly faults: unknown[];
  /** Returns the answer of the receiver. */
  answer: (events: readonly CloudEventV1<unknown>[], request: Request) => Response | Promise<Response>;
  /** Events it took, in order. */
  taken(): string[];
  stop(): Promise<void>;
}

const receivers: Receiver[] = [];
afterEach(async () => {
  const stopped = receivers.splice(0);
  await Promise.all(stopped.map((receiver) => receiver.stop()));
  expect(stopped.flatMap(({ faults }) => faults)).toEqual([]);
});

const isBatchOf = ({ headers }: Request) =>
  headers.get("content-type")?.startsWith("application/cloudevents-batch+json") === true;

const nameOf = (event: CloudEventV1<unknown>) => `${event.subject}@${Number(event["sequence"])}`;

function startReceiver(port = 0): Receiver {
  const requests: Taken[] = [];
  const faults: unknown[] = [];
  const server = Bun.serve({
    port,
    hostname: "127.0.0.1",
    async fetch(request) {
      try {
        const body = await request.text();
        const headers = Object.fromEntries(request.headers);
        for (const secret of made.secrets) new Webhook(secret).verify(body, headers);
        const parsed = HTTP.toEvent<unknown>({ headers, body });
        const events = Array.isArray(parsed) ? parsed : [parsed];
        const answer = await made.answer(events, request);
        requests.push({
          webhookId: headers["webhook-id"] ?? "",
          at: performance.now(),
          events,
          isBatch: isBatchOf(request),
          status: answer.status,
          signatures: headers["webhook-signature"] ?? "",
          signedAt: Number(headers["webhook-timestamp"]),
        });
        return answer;
      } catch (error) {
        faults.push(error);
        return new Response(null, { status: 500 });
      }
    },
  });
  const made: Receiver = {
    url: `http://127.0.0.1:${server.port}/hook`,
    port: server.port ?? 0,
    secrets: [],
    requests,
    faults,
    answer: () => new Response(null, { status: 204 }),
    taken: () =>
      requests.flatMap(({ events, status }) => (status >= 200 && status < 300 ? events.map(nameOf) : [])),
    stop: () => server.stop(true),
  };
  receivers.push(made);
  return made;
}

interface Shown {
  readonly subscription: string;
  readonly secret: string;
  readonly status: string;
  readonly reason: string | null;
  readonly cursor: number;
  readonly lag: { readonly events: number };
  readonly blocked: number;
}

async function call<Body = Shown>(server: Served, path: string, init: RequestInit = {}): Promise<Body> {
  const response = await fetch(server.url + path, init);
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  return (response.status === 204 ? null : await response.json().catch(() => null)) as Body;
}

const post = <Body = Shown>(server: Served, path: string, body: unknown = {}) =>
  call<Body>(server, path, jsonPost(body));

/** Subscribes a receiver, from the beginning. */
async function subscribe(server: Served, to: Receiver, body: object = {}) {
  const made = await post(server, "/subscriptions", {
    source: "/events",
    url: to.url,
    start: "beginning",
    ...body,
  });
  to.secrets = [made.secret];
  const path = `/subscriptions/${made.subscription}`;
  return { ...made, path, now: () => call(server, path) };
}

async function append(server: Served, stream: string, count = 1, type = "A"): Promise<void> {
  const events = Array.from({ length: count }, (_, n) => ({ type, data: { n } }));
  await post(server, `/streams/${encodeURIComponent(stream)}`, { events });
}

const start = (cwd = emptyFolder(), args: readonly string[] = []) => serve(cwd, args, { environment });

const FEED = `
import { defineConfig, defineFeed } from "kilde";
import { z } from "zod";

export default defineConfig({
  feeds: [
    defineFeed({
      name: "counts",
      version: 1,
      events: { A: z.object({ n: z.number() }) },
      contract: { Counted: z.object({ count: z.number() }) },
      publish: { A: ({ data }) => ({ type: "Counted", data: { count: data.n + 1 } }) },
    }),
  ],
});
`;

async function startWithFeed(): Promise<Served> {
  const cwd = emptyFolder();
  await Bun.write(`${cwd}/kilde.config.ts`, FEED);
  return start(cwd);
}

const ofSubject = (names: readonly string[], subject: string) =>
  names.filter((name) => name.startsWith(`${subject}@`));

describe("each mode", () => {
  test("single: an event a request, in order for each subject, as it was appended", async () => {
    const server = await start();
    const hook = startReceiver();
    await append(server, "a", 3);
    const subscription = await subscribe(server, hook);
    await append(server, "b", 2);
    await append(server, "a");
    await eventually(() => hook.requests.length === 6);
    expect(ofSubject(hook.taken(), "a")).toEqual(["a@1", "a@2", "a@3", "a@4"]);
    expect(ofSubject(hook.taken(), "b")).toEqual(["b@1", "b@2"]);
    for (const { events, webhookId } of hook.requests) {
      expect(events).toHaveLength(1);
      const [event] = events;
      expect(event).toMatchObject({ source: "/events", type: "A", specversion: "1.0" });
      expect(webhookId).toBe(`${subscription.subscription}_${event?.id}_${String(event?.["logidentity"])}`);
      expect(Number(event?.["previoussequence"])).toBe(Number(event?.["sequence"]) - 1);
    }
    // Events delivered ahead of the cursor count as lag until the next save.
    await eventually(async () => {
      const { cursor, lag } = await subscription.now();
      return cursor === 6 && lag.events === 0;
    });
    expect(await subscription.now()).toMatchObject({ status: "active", lag: { events: 0 }, blocked: 0 });
    await eventually(async () => {
      const { attempts } = await call<{ attempts: object[] }>(server, `${subscription.path}/attempts`);
      return attempts.length === 6;
    });
  });

  test("attempts are reported when nothing follows them", async () => {
    const server = await start();
    const hook = startReceiver();
    const subscription = await subscribe(server, hook);
    for (let count = 1; count <= 5; count += 1) {
      await append(server, "a");
      await eventually(async () => (await subscription.now()).cursor === count);
    }
    await eventually(async () => {
      const { attempts } = await call<{ attempts: object[] }>(server, `${subscription.path}/attempts`);
      return attempts.length === 5;
    });
  });

  test.each(["single", "batch"])(
    "%s: the lag counts what one subject waits for",
    async (mode) => {
      const server = await start();
      const hook = startReceiver();
      let taken = 0;
      const slow = Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        async fetch(request) {
          const body: unknown = await request.json();
          await Bun.sleep(10);
          taken += Array.isArray(body) ? body.length : 1;
          return new Response();
        },
      });
      const url = `http://127.0.0.1:${slow.port}/hook`;
      await append(server, "hot", 100);
      const { path } = await subscribe(server, hook, {
        url,
        mode,
        ...(mode === "batch" ? { batch: { events: 3 } } : {}),
      });
      const now = () => call<{ cursor: number; lag: { events: number; seconds: number } }>(server, path);
      const looks: { readonly left: number; readonly events: number; readonly cursor: number }[] = [];
      while (taken < 100) {
        const { cursor, lag } = await now();
        looks.push({ left: 100 - taken, events: lag.events, cursor });
        await Bun.sleep(20);
      }
      expect(looks.filter(({ left, events }) => events < left)).toEqual([]);
      await eventually(async () => (await now()).lag.events === 0);
      expect(await now()).toMatchObject({ cursor: 100, status: "active", lag: { events: 0, seconds: 0 } });
      await post(server, `${path}/rewind`, { after: 0, upTo: 90, subjects: ["hot"] });
      expect((await now()).lag.events).toBeGreaterThan(50);
      await eventually(async () => (await now()).lag.events === 0);
      await slow.stop(true);
    },
    60_000,
  );

  test("batch: several a request, of a feed, filtered by type and prefix", async () => {
    const server = await startWithFeed();
    const hook = startReceiver();
    const all = startReceiver();
    await append(server, "user-1", 10);
    await append(server, "user-1", 2, "Other");
    await append(server, "other-1", 5);
    await append(server, "user-2", 10);
    await subscribe(server, hook, {
      source: "/feeds/counts/v1",
      types: ["Counted"],
      subjectPrefix: "user-",
      mode: "batch",
      batch: { events: 7 },
    });
    await subscribe(server, all, { mode: "batch", batch: { events: 1_000, bytes: 1 } });
    await eventually(() => hook.taken().length >= 20 && all.taken().length >= 27);
    expect(hook.requests.every(({ events }) => events.length <= 7)).toBe(true);
    expect(hook.requests.some(({ events }) => events.length > 1)).toBe(true);
    for (const subject of ["user-1", "user-2"]) {
      const versions = Array.from({ length: 10 }, (_, n) => `${subject}@${n + 1}`);
      expect(ofSubject(hook.taken(), subject)).toEqual(versions);
    }
    expect(hook.taken()).toHaveLength(20);
    expect(
      hook.requests.flatMap(({ events }) => events.map(({ source, data }) => ({ source, data })))[0],
    ).toEqual({
      source: "/feeds/counts/v1",
      data: { count: 1 },
    });
    // One is larger than the bytes: it goes alone.
    expect(all.requests.every(({ events }) => events.length === 1)).toBe(true);
  });

  test("doorbell: rings only for the latest event, and not for one that is not selected", async () => {
    const server = await startWithFeed();
    const hook = startReceiver();
    await append(server, "a", 50);
    const doorbell = await subscribe(server, hook, { source: "/feeds/counts/v1", mode: "doorbell" });
    const heads = () =>
      hook.requests.flatMap(({ events }) => events.map(({ data }) => (data as { head: number }).head));
    await eventually(() => heads().at(-1) === 50);
    expect(hook.requests.at(-1)).toMatchObject({
      webhookId: expect.stringMatching(
        new RegExp(`^${doorbell.subscription}_head_50_[0-9a-f]{16}$`),
      ) as string,
    });
    expect(hook.requests.at(-1)?.events).toMatchObject([
      { type: "kilde.doorbell", source: "/feeds/counts/v1" },
    ]);
    await append(server, "a", 2);
    await eventually(() => heads().at(-1) === 52);
    expect(heads()).toEqual(heads().toSorted((a, b) => a - b));
    await eventually(async () => (await doorbell.now()).cursor === 52);
  });
});

describe("an endpoint that does not take what it is sent", () => {
  for (const mode of ["single", "batch"]) {
    test(`receives no events erased or truncated meanwhile, and no other bytes with the same id (${mode})`, async () => {
      const server = await start();
      const hook = startReceiver();
      hook.answer = () => new Response(null, { status: 503 });
      await subscribe(server, hook, { mode });
      for (const stream of ["a", "ida", "b", "ida", "eva", "eva"]) await append(server, stream);
      await eventually(() => hook.requests.length > 0);
      await fetch(`${server.url}/streams/ida?reason=asked`, { method: "DELETE" });
      await fetch(`${server.url}/streams/eva?before=2`, { method: "DELETE" });
      // The dispatcher reads again at most once a second.
      await Bun.sleep(2_000);
      const seen = hook.requests.length;
      hook.answer = () => new Response(null, { status: 204 });
      const left = ["a@1", "b@1", "eva@2", "ida@3"];
      await eventually(() => left.every((name) => hook.taken().includes(name)));
      const later = hook.requests.slice(seen).flatMap(({ events }) => events.map(nameOf));
      expect(Array.from(new Set(later)).toSorted()).toEqual(left);
      const bytes = new Map<string, string>();
      for (const { webhookId, events } of hook.requests) {
        const sent = JSON.stringify(events);
        expect(bytes.get(webhookId) ?? sent).toBe(sent);
        bytes.set(webhookId, sent);
      }
    });
  }

  for (const status of [204, 500]) {
    test(`batch: one that is not answered holds back only subjects in it, and is answered ${status} in the end`, async () => {
      const server = await start();
      const hook = startReceiver();
      const answered = Promise.withResolvers<void>();
      let underWay = 0;
      hook.answer = async (events) => {
        if (!events.some(({ subject }) => subject === "slow")) return new Response(null, { status: 204 });
        underWay += 1;
        expect(underWay).toBe(1);
        await answered.promise;
        underWay -= 1;
        return new Response(null, { status: hook.requests.some(holdsSlow) ? 204 : status });
      };
      const holdsSlow = ({ events }: Taken) => events.some(({ subject }) => subject === "slow");
      await subscribe(server, hook, { mode: "batch", batch: { events: 10 } });
      await append(server, "slow");
      await eventually(() => underWay === 1);
      for (let n = 0; n < 20; n += 1) await append(server, `other-${n % 5}`);
      await append(server, "slow");
      const others = () => hook.taken().filter((name) => name.startsWith("other-"));
      await eventually(() => others().length === 20);
      expect(hook.requests.some(holdsSlow)).toBe(false);
      answered.resolve();
      await eventually(() => hook.taken().includes("slow@2"));
      expect(hook.taken().filter((name) => name.startsWith("slow"))).toEqual(["slow@1", "slow@2"]);
      for (let n = 0; n < 5; n += 1) {
        const own = others().filter((name) => name.startsWith(`other-${n}@`));
        expect(own).toEqual([1, 2, 3, 4].map((version) => `other-${n}@${version}`));
      }
    });
  }

  test("blocks that subject only; retry and skip let it continue", async () => {
    const server = await start();
    const hook = startReceiver();
    let isRepaired = false;
    hook.answer = ([event]) => {
      const poison = event?.subject === "poison" && Number(event["sequence"]) === 2 && !isRepaired;
      return new Response(null, { status: poison ? 422 : 200 });
    };
    const { path, now } = await subscribe(server, hook, { attempts: 1 });
    await append(server, "poison", 3);
    await append(server, "well", 30);
    await eventually(() => ofSubject(hook.taken(), "well").length === 30);
    await eventually(async () => (await now()).blocked === 1);
    expect(await now()).toMatchObject({ status: "failing", reason: "blocked subjects" });
    const blocked = () => call<{ blocked: object[] }>(server, `${path}/blocked`);
    // Kilde does not retry it automatically after so many attempts.
    expect((await blocked()).blocked).toMatchObject([
      {
        subject: "poison",
        sequence: "0000000000000002",
        attempts: 1,
        error: "status 422",
        nextAttempt: null,
      },
    ]);
    await eventually(async () => (await now()).cursor === 33);
    await post(server, `${path}/blocked/poison/retry`);
    const failed = () => hook.requests.filter(({ status }) => status === 422);
    await eventually(() => failed().length === 2);
    expect(failed()[1]?.webhookId).toBe(failed()[0]?.webhookId ?? "");
    await eventually(async () => JSON.stringify(await blocked()).includes('"attempts":2'));
    await post(server, `${path}/blocked/poison/skip`, { sequence: 2 });
    await eventually(() => ofSubject(hook.taken(), "poison").length === 2);
    expect(ofSubject(hook.taken(), "poison")).toEqual(["poison@1", "poison@3"]);
    await eventually(async () => (await now()).blocked === 0);
    expect(await call<object>(server, `${path}/skips`)).toMatchObject({
      skips: [{ subject: "poison", sequence: "0000000000000002", attempts: 2, error: "status 422" }],
    });
    // The repaired receiver gets the skipped events by a rewind of the subject.
    isRepaired = true;
    expect(await post<object>(server, `${path}/rewind`, { subjects: ["poison"] })).toMatchObject({
      events: 3,
    });
    await eventually(() => ofSubject(hook.taken(), "poison").length === 5);
    expect(ofSubject(hook.taken(), "poison").slice(2)).toEqual(["poison@1", "poison@2", "poison@3"]);
  });

  test("is retried automatically, with the same id and bytes, until it does", async () => {
    const server = await start();
    const hook = startReceiver();
    hook.answer = ([event]) => {
      const tries = hook.requests.filter(({ events }) => events[0]?.id === event?.id).length;
      return new Response(null, { status: event?.id === "1" && tries < 2 ? 500 : 200 });
    };
    await append(server, "a", 2);
    await subscribe(server, hook);
    await eventually(() => hook.taken().length === 2);
    const first = hook.requests.filter(({ events }) => events[0]?.id === "1");
    expect(first.map(({ status }) => status)).toEqual([500, 500, 200]);
    expect(new Set(first.map(({ webhookId }) => webhookId)).size).toBe(1);
    expect(new Set(first.map(({ events }) => JSON.stringify(events))).size).toBe(1);
    expect(hook.taken()).toEqual(["a@1", "a@2"]);
  });

  test("a redirect is a failure, and is not followed", async () => {
    const server = await start();
    const [hook, target] = [startReceiver(), startReceiver()];
    hook.answer = () => Response.redirect(target.url, 307);
    await append(server, "a");
    const { path } = await subscribe(server, hook, { attempts: 1 });
    const blocked = () => call<{ blocked: object[] }>(server, `${path}/blocked`);
    await eventually(async () => (await blocked()).blocked.length === 1);
    expect((await blocked()).blocked).toMatchObject([{ error: "status 307" }]);
    expect(target.requests).toEqual([]);
  });

  test("410 of an endpoint that was replaced meanwhile pauses nothing", async () => {
    const server = await start();
    const hook = startReceiver();
    const asked = Promise.withResolvers<void>();
    const replaced = Promise.withResolvers<void>();
    const former = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      async fetch() {
        asked.resolve();
        await replaced.promise;
        return new Response(null, { status: 410 });
      },
    });
    const { path, now } = await subscribe(server, hook, { url: `http://127.0.0.1:${former.port}/hook` });
    await append(server, "a");
    await asked.promise;
    await call(server, path, { ...jsonPost({ url: hook.url }), method: "PATCH" });
    replaced.resolve();
    await eventually(() => hook.taken().length === 1);
    expect(await now()).toMatchObject({ status: "active", reason: null });
    await former.stop(true);
  });

  test("410 pauses the subscription at its cursor; resumed, it continues from there", async () => {
    const server = await start();
    const hook = startReceiver();
    hook.answer = ([event]) => new Response(null, { status: event?.id === "2" ? 410 : 200 });
    await append(server, "a", 4);
    const { path, now } = await subscribe(server, hook);
    await eventually(async () => (await now()).status === "paused");
    expect(await now()).toMatchObject({ reason: "gone", cursor: 1 });
    expect(hook.taken()).toEqual(["a@1"]);
    hook.answer = () => new Response();
    await post(server, `${path}/resume`);
    await eventually(() => hook.taken().length === 4);
    expect(hook.taken()).toEqual(["a@1", "a@2", "a@3", "a@4"]);
    expect(await now()).toMatchObject({ status: "active", reason: null });
  });
});

describe("an endpoint that cannot", () => {
  test.each([500, 503])(
    "take anything (%p): a retry by request is sent at once, before the others",
    async (status) => {
      const server = await start();
      const hook = startReceiver();
      hook.answer = () => new Response(null, { status, headers: { "retry-after": "600" } });
      const { path } = await subscribe(server, hook, { concurrency: 1 });
      for (let n = 10; n < 22; n += 1) await append(server, `s-${n}`);
      const shown = () => call<{ blocked: number; endpoint: object | null }>(server, path);
      await eventually(async () => (await shown()).endpoint !== null);
      const { blocked } = await call<{ blocked: { subject: string }[] }>(server, `${path}/blocked`);
      const last = blocked.at(-1)?.subject ?? "";
      expect(blocked.length).toBeGreaterThan(1);
      hook.answer = () => new Response();
      hook.requests.length = 0;
      await post(server, `${path}/blocked/${last}/retry`);
      await eventually(() => hook.taken().length > 0);
      expect(hook.taken()).toContain(`${last}@1`);
      await eventually(async () => (await shown()).endpoint === null);
    },
    60_000,
  );

  test("take more is left alone for as long as it asks", async () => {
    const server = await start();
    const hook = startReceiver();
    hook.answer = () =>
      hook.requests.length === 0
        ? new Response(null, { status: 429, headers: { "retry-after": "2" } })
        : new Response();
    await append(server, "a", 3);
    const { now } = await subscribe(server, hook);
    await eventually(() => hook.taken().length === 3);
    const [first, second] = hook.requests;
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(1_990);
    expect(second?.webhookId).toBe(first?.webhookId ?? "");
    // The sent events have no fault.
    await eventually(async () => (await now()).blocked === 0);
  });

  test("take one subject for years does not keep the others waiting; asked again, all wait an hour at most", async () => {
    const folder = emptyFolder();
    const server = await start(folder);
    const hook = startReceiver();
    const years = { status: 429, headers: { "retry-after": "Fri, 31 Dec 9999 23:59:59 GMT" } };
    hook.answer = ([event]) => (event?.subject === "a" ? new Response(null, years) : new Response());
    await append(server, "a");
    const { path, now } = await subscribe(server, hook);
    await eventually(() => hook.requests.length === 1);
    for (const stream of ["b", "c", "d"]) await append(server, stream);
    await eventually(() => hook.taken().length === 3);
    const withinAnHour = (time: string | null) => {
      const ms = Date.parse(time ?? "") - Date.now();
      return ms > 0 && ms <= 3_600_000;
    };
    await eventually(async () => (await now()).blocked === 1);
    const { blocked } = await call<{ blocked: { error: string; nextAttempt: string }[] }>(
      server,
      `${path}/blocked`,
    );
    expect(blocked).toMatchObject([{ subject: "a", error: "status 429, Retry-After 3600 s", attempts: 1 }]);
    expect(withinAnHour(blocked[0]?.nextAttempt ?? null)).toBe(true);

    // Now whatever it is sent.
    hook.answer = () => new Response(null, years);
    for (const stream of ["e", "f", "h"]) await append(server, stream);
    interface Held {
      readonly status: string;
      readonly endpoint: { readonly error: string; readonly nextProbe: string } | null;
    }
    const held = (of: Served) => call<Held>(of, path);
    await eventually(async () => (await held(server)).endpoint !== null);
    expect(await held(server)).toMatchObject({
      status: "failing",
      endpoint: { error: "status 429, Retry-After 3600 s" },
    });
    const { nextProbe = "" } = (await held(server)).endpoint ?? {};
    expect(withinAnHour(nextProbe)).toBe(true);
    await server.stop();

    // It is stored: another process waits as well, and somebody may ask for less patience.
    const sent = hook.requests.length;
    hook.answer = () => new Response();
    const again = await start(folder);
    await append(again, "g");
    await Bun.sleep(300);
    expect(hook.requests.length).toBe(sent);
    expect((await held(again)).endpoint?.nextProbe).toBe(nextProbe);
    await post(again, `${path}/pause`, { reason: "asked" });
    await post(again, `${path}/resume`);
    await eventually(() => hook.taken().includes("g@1"));
  });

  test("be reached is reported as down, and tried at once on resume; nothing is lost", async () => {
    const server = await start();
    const hook = startReceiver();
    const { path, now, secret } = await subscribe(server, hook);
    await append(server, "a");
    await eventually(() => hook.taken().length === 1);
    await hook.stop();
    await append(server, "a", 2);
    await append(server, "b", 2);
    await eventually(async () => (await now()).status === "failing");
    expect(await now()).toMatchObject({
      reason: "endpoint: connection",
      endpoint: { error: "connection", nextProbe: expect.stringContaining("T") },
      blocked: 0,
    });
    const back = startReceiver(hook.port);
    back.secrets = [secret];
    await post(server, `${path}/resume`);
    await eventually(() => back.taken().length === 4);
    expect(ofSubject(back.taken(), "a")).toEqual(["a@2", "a@3"]);
    await eventually(async () => (await now()).status === "active");
  });
});

describe("by request", () => {
  test("a rotated secret signs beside the old one, and then alone", async () => {
    const server = await start();
    const hook = startReceiver();
    const { path, secret } = await subscribe(server, hook);
    const next = await post<{ secret: string }>(server, `${path}/rotate-secret`);
    expect(next.secret).not.toBe(secret);
    hook.secrets = [secret, next.secret];
    await append(server, "a");
    await eventually(() => hook.taken().length === 1);
    expect(hook.requests[0]?.signatures.split(" ")).toHaveLength(2);
    await post(server, `${path}/rotate-secret`, { overlapSeconds: 0, secret });
    hook.secrets = [secret];
    await append(server, "a");
    await eventually(() => hook.taken().length === 2);
    expect(hook.requests[1]?.signatures.split(" ")).toHaveLength(1);
  });

  test("the overlap of a rotated secret ends on time while events are delivered all along", async () => {
    const server = await start();
    const hook = startReceiver();
    const { path, secret } = await subscribe(server, hook);
    await append(server, "a");
    await eventually(() => hook.taken().length === 1);
    const overlapSeconds = 2;
    const askedMs = Date.now();
    const next = await post<{ secret: string }>(server, `${path}/rotate-secret`, { overlapSeconds });
    const answeredMs = Date.now();
    hook.secrets = [next.secret];
    const signatures = () => hook.requests.slice(1).map((request) => request.signatures.split(" ").length);
    let appended = 1;
    while (!signatures().includes(1)) {
      await append(server, "a");
      appended += 1;
      await eventually(() => hook.taken().length === appended);
    }
    expect(signatures()).toContain(2);
    for (const { signedAt, signatures: text } of hook.requests.slice(1)) {
      const isOverlap = text.split(" ").length === 2;
      if (isOverlap) expect(signedAt).toBeLessThanOrEqual(answeredMs / 1_000 + overlapSeconds);
      else expect(signedAt + 1).toBeGreaterThan(askedMs / 1_000 + overlapSeconds);
    }
    expect(secret).not.toBe(next.secret);
  });

  test("a request that is under way when the subscription is changed holds back its subject alone", async () => {
    const server = await start();
    const hook = startReceiver();
    const held = Promise.withResolvers<void>();
    const underWay = new Map<string, number>();
    let most = 0;
    hook.answer = async ([event]) => {
      const subject = event?.subject ?? "";
      underWay.set(subject, (underWay.get(subject) ?? 0) + 1);
      most = Math.max(most, underWay.get(subject) ?? 0);
      if (subject === "slow") await held.promise;
      underWay.set(subject, (underWay.get(subject) ?? 0) - 1);
      return new Response(null, { status: 204 });
    };
    await append(server, "slow", 2);
    const { path } = await subscribe(server, hook);
    await eventually(() => underWay.get("slow") === 1);
    let quick = 0;
    for (const url of [`${hook.url}?one`, `${hook.url}?two`]) {
      await call(server, path, { ...jsonPost({ url }), method: "PATCH" });
      await append(server, "quick", 2);
      quick += 2;
      await eventually(() => hook.taken().includes(`quick@${quick}`));
    }
    expect(underWay.get("slow")).toBe(1);
    held.resolve();
    // The answer came too late to count: the event is sent again, and the one after it in its turn.
    await eventually(() => ofSubject(hook.taken(), "slow").includes("slow@2"));
    expect(ofSubject(hook.taken(), "slow")).toEqual(["slow@1", "slow@1", "slow@2"]);
    expect(most).toBe(1);
  });

  test("subscriptions whose progress cannot be stored have others repeat nothing", async () => {
    const cwd = emptyFolder();
    const server = await start(cwd);
    const [refused, other] = [startReceiver(), startReceiver()];
    const subscribed = async (to: Receiver) => {
      const all = [];
      for (let count = 0; count < 6; count += 1) all.push(await subscribe(server, to));
      to.secrets = [];
      return all;
    };
    const [ofRefused, ofOther] = [await subscribed(refused), await subscribed(other)];
    const { KILDE_DATABASE_URL: url = `file:${cwd}/data/kilde.db` } = await databaseOf(cwd);
    const database = openDatabase({ url });
    const ids = ofRefused.map(({ subscription }) => `'${subscription}'`).join(", ");
    const sql = `create trigger refused before update of cursor on subscriptions
      when new.id in (${ids}) begin select raise(abort, 'FOREIGN KEY constraint failed'); end`;
    await database.write([{ sql, args: [] }]);
    const isAt = async (subscriptions: typeof ofOther, cursor: number) => {
      const all = await Promise.all(subscriptions.map(({ now }) => now()));
      return all.every((shown) => shown.cursor === cursor);
    };
    const repeated = ({ requests }: Receiver) =>
      requests.length - new Set(requests.map(({ webhookId }) => webhookId)).size;
    let appended = 0;
    while (repeated(refused) < 20) {
      await append(server, `s-${appended % 7}`, 5);
      appended += 5;
      await Bun.sleep(20);
    }
    await eventually(() => isAt(ofOther, appended));
    expect(repeated(other)).toBe(0);
    await database.write([{ sql: "drop trigger refused", args: [] }]);
    database.close();
    await eventually(() => isAt(ofRefused, appended));
  }, 60_000);

  test("a rewind delivers again, in order for each subject, while new events are delivered too", async () => {
    const server = await start();
    const hook = startReceiver();
    for (const subject of ["a", "b", "c"]) await append(server, subject, 20);
    const { path, now } = await subscribe(server, hook);
    await eventually(() => hook.requests.length === 60);
    // The cursor passes subjects that are behind, and a rewind repeats their progress that is not stored yet. A save
    // with a later event stores all of it, except perhaps for that event.
    await append(server, "settled");
    await eventually(async () => (await now()).cursor === 61);
    const taken = () => hook.taken().filter((name) => name !== "settled@1");
    const counted = await post<object>(server, `${path}/rewind`, { after: 10, upTo: 45, dryRun: true });
    expect(counted).toEqual({ events: 35, subjects: 3, dryRun: true });
    await post(server, `${path}/rewind`, { after: 10, upTo: 45 });
    await append(server, "d", 5);
    await eventually(() => taken().length === 60 + 40);
    const again = taken().slice(60);
    const versions = (subject: string, from: number, to: number) =>
      Array.from({ length: to - from + 1 }, (_, n) => `${subject}@${from + n}`);
    expect(ofSubject(again, "a")).toEqual(versions("a", 11, 20));
    expect(ofSubject(again, "b")).toEqual(versions("b", 1, 20));
    expect(ofSubject(again, "c")).toEqual(versions("c", 1, 5));
    expect(ofSubject(again, "d")).toEqual(versions("d", 1, 5));
    await eventually(async () => (await now()).status === "active");
    expect(await now()).toMatchObject({ rewind: null, cursor: 66 });
  });

  test("a paused subscription is sent nothing, and then all of it", async () => {
    const server = await start();
    const hook = startReceiver();
    const { path, now } = await subscribe(server, hook);
    await append(server, "a");
    await eventually(async () => (await now()).cursor === 1);
    await post(server, `${path}/pause`, { reason: "moving" });
    await append(server, "a", 3);
    expect(await now()).toMatchObject({ status: "paused", reason: "moving", cursor: 1, lag: { events: 3 } });
    const outcome = await post<object>(server, `${path}/test`);
    expect(outcome).toMatchObject({ acknowledged: true });
    expect(hook.requests.at(-1)?.events).toMatchObject([{ type: "kilde.test" }]);
    await post(server, `${path}/resume`);
    await eventually(() => hook.requests.length === 5);
    expect(hook.taken().slice(2)).toEqual(["a@2", "a@3", "a@4"]);
  });

  test("a deleted one is sent nothing more", async () => {
    const server = await start();
    const [hook, other] = [startReceiver(), startReceiver()];
    const { path } = await subscribe(server, hook);
    await subscribe(server, other);
    await append(server, "a");
    await eventually(() => hook.taken().length === 1);
    await call(server, path, { method: "DELETE" });
    await append(server, "a", 5);
    await eventually(() => other.taken().length === 6);
    expect(hook.taken()).toEqual(["a@1"]);
  });
});

describe("a change while something is blocked", () => {
  const failing = (hook: Receiver) => {
    hook.answer = ([event]) => new Response(null, { status: event?.type === "Bad" ? 422 : 200 });
  };

  async function blocked(server: Served, hook: Receiver, body: object = {}) {
    failing(hook);
    await append(server, "a");
    await append(server, "a", 1, "Bad");
    await append(server, "a");
    await append(server, "b", 2);
    const made = await subscribe(server, hook, body);
    await eventually(async () => (await made.now()).blocked === 1 && (await made.now()).cursor === 5);
    const change = (to: object) => call(server, made.path, { ...jsonPost(to), method: "PATCH" });
    return { ...made, change };
  }

  test("of the types: the blocking event is no longer selected, and its subject continues", async () => {
    const server = await start();
    const hook = startReceiver();
    const { change, now } = await blocked(server, hook, { attempts: 1 });
    await change({ types: ["A"] });
    await eventually(() => ofSubject(hook.taken(), "a").length === 2);
    expect(ofSubject(hook.taken(), "a")).toEqual(["a@1", "a@3"]);
    await eventually(async () => (await now()).status === "active");
  });

  test("of the prefix: the subject is no longer selected", async () => {
    const server = await start();
    const hook = startReceiver();
    const { change, now } = await blocked(server, hook);
    await change({ subjectPrefix: "b" });
    await eventually(async () => (await now()).status === "active");
    await append(server, "a");
    await append(server, "b");
    await eventually(() => ofSubject(hook.taken(), "b").length === 3);
    expect(ofSubject(hook.taken(), "a")).toEqual(["a@1"]);
  });

  test("of the mode: each subject continues where it was", async () => {
    const server = await start();
    const hook = startReceiver();
    const { change, now } = await blocked(server, hook);
    await change({ mode: "batch", batch: { events: 10 } });
    await append(server, "b");
    await eventually(() => ofSubject(hook.taken(), "b").length === 3);
    // How many events of the blocked subject are in a batch depends on the attempts before the change.
    await eventually(() => hook.requests.some(({ isBatch, status }) => isBatch && status === 422));
    hook.answer = (_, request) => new Response(null, { status: isBatchOf(request) ? 422 : 200 });
    await change({ mode: "single" });
    await eventually(async () => (await now()).status === "active");
    expect(ofSubject(hook.taken(), "a")).toEqual(["a@1", "a@2", "a@3"]);
  });

  test("to a doorbell: it has no subjects that could be blocked", async () => {
    const server = await start();
    const hook = startReceiver();
    const { change, now } = await blocked(server, hook);
    await change({ mode: "doorbell" });
    await append(server, "b");
    await eventually(() => hook.requests.at(-1)?.events[0]?.type === "kilde.doorbell");
    await eventually(async () => (await now()).status === "active");
    expect(await now()).toMatchObject({ blocked: 0 });
  });

  test("of headers and of the endpoint: with the next attempt", async () => {
    const server = await start();
    const [hook, other] = [startReceiver(), startReceiver()];
    const { change, secret } = await blocked(server, hook);
    other.secrets = [secret];
    const tenants: (string | null)[] = [];
    other.answer = (_, request) => {
      tenants.push(request.headers.get("x-tenant"));
      return new Response();
    };
    await change({ url: other.url, headers: { "X-Tenant": "t-7" } });
    await eventually(() => other.taken().length === 2);
    expect(other.taken()).toEqual(["a@2", "a@3"]);
    expect(tenants).toEqual(["t-7", "t-7"]);
  });
});

test("a rate that the endpoint allowed is kept", async () => {
  const server = await start();
  const hook = startReceiver();
  const allowing = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request) {
      return request.method === "OPTIONS"
        ? consent(request, { origins: "*", ratePerMinute: 120 })
        : fetch(hook.url, { method: "POST", body: request.body, headers: request.headers });
    },
  });
  await append(server, "a");
  for (const subject of ["b", "c", "d"]) await append(server, subject);
  const made = await post(server, "/subscriptions", {
    source: "/events",
    url: `http://127.0.0.1:${allowing.port}/`,
    start: "beginning",
    handshake: { origin: "kilde.example.org" },
  });
  hook.secrets = [made.secret];
  await eventually(() => hook.requests.length === 4);
  const gaps = hook.requests.slice(1).map(({ at }, index) => at - (hook.requests[index]?.at ?? 0));
  // 500 ms apart when they leave; a busy machine has one arrive late, and so nearer to the next.
  expect(Math.min(...gaps)).toBeGreaterThan(100);
  expect(gaps.reduce((sum, gap) => sum + gap, 0)).toBeGreaterThan(1_200);
  await allowing.stop(true);
});

test("a killed server continues where it was: it loses nothing, and keeps the order", async () => {
  const cwd = emptyFolder();
  let server = await start(cwd);
  const hook = startReceiver();
  hook.answer = ([event]) => new Response(null, { status: event?.subject === "stuck" ? 500 : 200 });
  const { path } = await subscribe(server, hook, { concurrency: 4 });
  await append(server, "stuck", 2);
  for (let n = 0; n < 10; n += 1) await append(server, `s-${n}`, 40);
  await eventually(() => hook.taken().length > 50);
  await server.stop("SIGKILL");
  const before = hook.taken().length;
  expect(before).toBeLessThan(400);
  server = await start(cwd);
  hook.answer = () => new Response();
  await eventually(() => new Set(hook.taken()).size === 402);
  for (let n = 0; n < 10; n += 1) {
    const names = ofSubject(hook.taken(), `s-${n}`);
    const firsts = names.filter((name, index) => names.indexOf(name) === index);
    expect(firsts).toEqual(Array.from({ length: 40 }, (_, version) => `s-${n}@${version + 1}`));
  }
  await eventually(async () => (await call(server, path)).cursor === 402);
  const done = hook.requests.length;
  expect((await server.stop()).exitCode).toBe(0);
  server = await start(cwd);
  await append(server, "s-0");
  await eventually(() => hook.requests.length > done);
  // Stopped in order, it repeats nothing.
  expect(hook.requests.slice(done).flatMap(({ events }) => events.map(nameOf))).toEqual(["s-0@41"]);
}, 60_000);

test("a feed that is delivered is retired by force only", async () => {
  const server = await startWithFeed();
  const hook = startReceiver();
  const { now } = await subscribe(server, hook, { source: "/feeds/counts/v1" });
  await append(server, "a");
  await eventually(() => hook.taken().length === 1);
  const refused = await server.kilde(["feeds", "retire", "counts", "v1"]);
  expect(refused.exitCode).toBe(1);
  expect(refused.stderr).toContain("is delivered by sub_");
  expect(refused.stderr).toContain("--force");
  const forced = await server.kilde(["feeds", "retire", "counts", "v1", "--force"]);
  expect(forced.stderr).toBe("");
  expect(await now()).toMatchObject({ status: "paused", reason: "source retired" });
});

describe("after a restore", () => {
  // `kilde backup` and `kilde restore` are for the embedded file.
  test.skipIf(TESTED_ON === "sqld")(
    "another event at a position that was delivered before has another id, in each mode",
    async () => {
      const server = await start();
      await append(server, "a", 3);
      const hooks: Receiver[] = [];
      for (const mode of ["single", "batch", "doorbell"]) {
        const hook = startReceiver();
        hooks.push(hook);
        await subscribe(server, hook, { mode });
      }
      const isDelivered = (position: number) =>
        eventually(() =>
          hooks.every(({ requests }) =>
            requests.some(({ events }) => events.some(({ id }) => Number(id) === position)),
          ),
        );
      await isDelivered(3);
      expect((await server.kilde(["backup", "backup.db"])).exitCode).toBe(0);
      await append(server, "a", 1, "Lost");
      await isDelivered(4);
      await server.stop();
      expect((await server.kilde(["restore", "backup.db", "--force"])).exitCode).toBe(0);

      const before = hooks.map(({ requests }) => requests.splice(0));
      const again = await start(server.cwd);
      await append(again, "a", 1, "Other");
      await isDelivered(4);
      for (const [index, { requests }] of hooks.entries()) {
        const all = [...(before[index] ?? []), ...requests];
        for (const { webhookId, events } of all) {
          expect(webhookId).toEndWith(`_${String(events.at(-1)?.["logidentity"])}`);
        }
        // No id is ever given to other bytes.
        for (const same of Map.groupBy(all, ({ webhookId }) => webhookId).values()) {
          expect(new Set(same.map(({ events }) => JSON.stringify(events))).size).toBe(1);
        }
        const identities = [before[index]?.at(-1), requests.at(-1)].map((one) => one?.webhookId.slice(-16));
        expect(new Set(identities).size).toBe(2);
      }
    },
    60_000,
  );

  test("beside a running server, by other means, delivering starts again from the stored state", async () => {
    const server = await start();
    const hook = startReceiver();
    await append(server, "a", 3);
    await subscribe(server, hook);
    await eventually(() => hook.taken().length === 3);
    expect((await server.kilde(["identity", "renew"])).exitCode).toBe(0);
    await append(server, "a", 2);
    await eventually(() => hook.taken().length >= 5);
    const { webhookId, events } = hook.requests.at(-1) ?? {};
    expect(webhookId).toEndWith(`_5_${String(events?.[0]?.["logidentity"])}`);
    expect(hook.requests[0]?.webhookId.slice(-16)).not.toBe(webhookId?.slice(-16) ?? "");
  });
});
