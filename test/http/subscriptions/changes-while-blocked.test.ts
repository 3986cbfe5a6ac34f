import { describe, expect, test } from "bun:test";

import { type Served } from "../../cli/support.ts";
import { jsonPost } from "../../support/app.ts";
import { eventually } from "../../support/eventually.ts";
import { runsOn } from "../../support/tested-on.ts";
import {
  append,
  call,
  cleanUpDeliveries,
  isBatchOf,
  ofSubject,
  type Receiver,
  startReceiver,
  startServer,
  subscribe,
} from "./delivering.ts";

runsOn(["file", "sqld"]);
cleanUpDeliveries();

/*
 * A change retries blocked subjects at once. It repeats deliveries whose progress was not stored yet, so the tests
 * compare the subject that is blocked, and wait for others without counting.
 */

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

  test("deselects the blocking event by its type, and its subject continues", async () => {
    const server = await startServer();
    const hook = startReceiver();
    const { change, now } = await blocked(server, hook, { attempts: 1 });
    await change({ types: ["A"] });
    await eventually(() => ofSubject(hook.taken(), "a").length === 2);
    expect(ofSubject(hook.taken(), "a")).toEqual(["a@1", "a@3"]);
    await eventually(async () => (await now()).status === "active");
  });

  test("deselects the blocked subject by its prefix", async () => {
    const server = await startServer();
    const hook = startReceiver();
    const { change, now } = await blocked(server, hook);
    await change({ subjectPrefix: "b" });
    await eventually(async () => (await now()).status === "active");
    await append(server, "a");
    await append(server, "b");
    await eventually(() => hook.taken().includes("b@3"));
    expect(ofSubject(hook.taken(), "a")).toEqual(["a@1"]);
  });

  test("continues each subject where it was when it sets another mode", async () => {
    const server = await startServer();
    const hook = startReceiver();
    const { change, now } = await blocked(server, hook);
    await change({ mode: "batch", batch: { events: 10 } });
    await append(server, "b");
    await eventually(() => hook.taken().includes("b@3"));
    // How many events of the blocked subject are in a batch depends on the attempts before the change.
    await eventually(() => hook.requests.some(({ isBatch, status }) => isBatch && status === 422));
    hook.answer = (_, request) => new Response(null, { status: isBatchOf(request) ? 422 : 200 });
    await change({ mode: "single" });
    await eventually(async () => (await now()).status === "active");
    expect(ofSubject(hook.taken(), "a")).toEqual(["a@1", "a@2", "a@3"]);
  });

  test("leaves no subject blocked when it sets a doorbell", async () => {
    const server = await startServer();
    const hook = startReceiver();
    const { change, now } = await blocked(server, hook);
    await change({ mode: "doorbell" });
    await append(server, "b");
    await eventually(() => hook.requests.at(-1)?.events[0]?.type === "kilde.doorbell");
    await eventually(async () => (await now()).status === "active");
    expect(await now()).toMatchObject({ blocked: 0 });
  });

  test("sends the next attempt to the new endpoint with the new headers", async () => {
    const server = await startServer();
    const [hook, other] = [startReceiver(), startReceiver()];
    const { change, secret } = await blocked(server, hook);
    other.secrets = [secret];
    const tenants: (string | null)[] = [];
    other.answer = (_, request) => {
      tenants.push(request.headers.get("x-tenant"));
      return new Response();
    };
    await change({ url: other.url, headers: { "X-Tenant": "t-7" } });
    await eventually(() => other.taken().includes("a@3"));
    expect(ofSubject(other.taken(), "a")).toEqual(["a@2", "a@3"]);
    expect(new Set(tenants)).toEqual(new Set(["t-7"]));
  });
});
