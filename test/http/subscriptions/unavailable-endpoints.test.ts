import { describe, expect, test } from "bun:test";

import { emptyFolder, type Served } from "../../cli/support.ts";
import { eventually } from "../../support/eventually.ts";
import { runsOn } from "../../support/tested-on.ts";
import {
  append,
  call,
  cleanUpDeliveries,
  ofSubject,
  post,
  startReceiver,
  startServer,
  subscribe,
} from "./delivering.ts";

runsOn(["file", "sqld"]);
cleanUpDeliveries();

describe("an endpoint that accepts nothing for now", () => {
  test.each([500, 503])(
    "is sent a requested retry at once, before the others (%p)",
    async (status) => {
      const server = await startServer();
      const hook = startReceiver();
      const refusal = () => new Response(null, { status, headers: { "retry-after": "600" } });
      hook.answer = refusal;
      const { path } = await subscribe(server, hook, { concurrency: 1 });
      for (let n = 10; n < 22; n += 1) await append(server, `s-${n}`);
      const shown = () => call<{ blocked: number; endpoint: object | null }>(server, path);
      await eventually(async () => (await shown()).endpoint !== null);
      const { blocked } = await call<{ blocked: { subject: string }[] }>(server, `${path}/blocked`);
      const last = blocked.at(-1)?.subject ?? "";
      expect(blocked.length).toBeGreaterThan(1);
      let isRepaired = false;
      // Only this subject repairs the endpoint, whose probes are events of others.
      hook.answer = ([event]) => {
        isRepaired ||= event?.subject === last;
        return isRepaired ? new Response() : refusal();
      };
      await post(server, `${path}/blocked/${last}/retry`);
      await eventually(() => hook.taken().length > 0);
      expect(hook.taken()[0]).toBe(`${last}@1`);
      await eventually(async () => (await shown()).endpoint === null);
    },
    60_000,
  );

  test("is left alone for as long as it asks", async () => {
    const server = await startServer();
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

  test("delays no other subject when it rejects one for years; when it rejects all, they wait an hour at most", async () => {
    const folder = emptyFolder();
    const server = await startServer(folder);
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
    const again = await startServer(folder);
    await append(again, "g");
    await Bun.sleep(300);
    expect(hook.requests.length).toBe(sent);
    expect((await held(again)).endpoint?.nextProbe).toBe(nextProbe);
    await post(again, `${path}/pause`, { reason: "asked" });
    await post(again, `${path}/resume`);
    await eventually(() => hook.taken().includes("g@1"));
  });

  test("is reported as down when it cannot be reached, and tried at once on resume; nothing is lost", async () => {
    const server = await startServer();
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
