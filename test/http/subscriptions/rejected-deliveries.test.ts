import { describe, expect, test } from "bun:test";

import { jsonPost } from "../../support/app.ts";
import { eventually } from "../../support/eventually.ts";
import { runsOn } from "../../support/tested-on.ts";
import {
  append,
  call,
  cleanUpDeliveries,
  nameOf,
  ofSubject,
  post,
  startReceiver,
  startServer,
  subscribe,
  type Taken,
} from "./delivering.ts";

runsOn(["file", "sqld"]);
cleanUpDeliveries();

describe("an endpoint that rejects a delivery", () => {
  for (const mode of ["single", "batch"]) {
    test(`receives no events erased or truncated meanwhile, and no other bytes with the same id (${mode})`, async () => {
      const server = await startServer();
      const [hook, healthy] = [startReceiver(), startReceiver()];
      hook.answer = () => new Response(null, { status: 503 });
      const { path } = await subscribe(server, hook, { mode });
      await subscribe(server, healthy);
      for (const stream of ["a", "ida", "b", "ida", "eva", "eva"]) await append(server, stream);
      await eventually(() => hook.requests.length > 0);
      await fetch(`${server.url}/streams/eva?before=2`, { method: "DELETE" });
      await fetch(`${server.url}/streams/ida?reason=asked`, { method: "DELETE" });
      // The dispatchers of the server have the news, and each reads again at most once a second.
      await eventually(() => healthy.taken().includes("ida@3"));
      await Bun.sleep(2_000);
      const seen = hook.requests.length;
      hook.answer = () => new Response(null, { status: 204 });
      await post(server, `${path}/resume`);
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
    test(`holds back only the subjects of a batch that it answers late, with ${status}`, async () => {
      const server = await startServer();
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

  test("blocks the subject alone; retry and skip let it continue", async () => {
    const server = await startServer();
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

  test("is sent the event again automatically, with the same id and bytes, until it accepts", async () => {
    const server = await startServer();
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
    const server = await startServer();
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
    const server = await startServer();
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
    const server = await startServer();
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
