import { afterEach, beforeEach, expect, test } from "bun:test";

import { jsonPost, openApp, type TestApp } from "../../support/app.ts";
import { eventually } from "../../support/eventually.ts";
import { createTestKey, type TestKey } from "../../support/keys.ts";
import { runsOn } from "../../support/tested-on.ts";

/* Attempts to learn by a subscription, or by the log of administration, what the sender may not read. */

runsOn(["memory", "sqld", "worker"]);

let app: TestApp;
let admin: TestKey;
let shop: TestKey;
beforeEach(async () => {
  app = await openApp();
  admin = await createTestKey(app, ["admin"]);
  shop = await createTestKey(app, ["manage:/subscriptions", "read:/streams/shop-*"]);
  for (const key of [admin, shop]) await eventually(async () => (await key.fetch("/")).status === 200);
  for (const stream of ["shop-1", "user-1"]) await admin.append(stream, { type: "A" }, { type: "B" });
});
afterEach(() => app.close());

const URL = "https://receiver.example/hook";

async function subscribe({ fetch }: TestKey, body: object): Promise<string> {
  const response = await fetch("/subscriptions", jsonPost({ url: URL, start: "beginning", ...body }));
  if (response.status !== 201) throw new Error(`${response.status}: ${await response.text()}`);
  return ((await response.json()) as { subscription: string }).subscription;
}

test("a subscription cannot be created for a log or a selection that its creator may not read", async () => {
  const bodies = [
    { source: "/operations" },
    { source: "/events", subjectPrefix: "user-" },
    { source: "/events", subjectPrefix: "shop" },
    { source: "/feeds/none/v1" },
  ];
  for (const body of bodies) {
    const response = await shop.fetch("/subscriptions", jsonPost({ url: URL, ...body }));
    expect([body, response.status]).toEqual([body, 403]);
  }
});

test("a subscription to more than a sender may read does not exist for that sender", async () => {
  const path = `/subscriptions/${await subscribe(admin, { source: "/events" })}`;
  const own = await subscribe(shop, { source: "/events" });
  const listed = await shop.get<{ subscriptions: { subscription: string }[] }>("/subscriptions");
  expect(listed.subscriptions.map(({ subscription }) => subscription)).toEqual([own]);
  const requests: readonly (readonly [string, RequestInit])[] = [
    ["", {}],
    ["", { ...jsonPost({ url: "https://attacker.example/" }), method: "PATCH" }],
    ["", { method: "DELETE" }],
    ["/attempts", {}],
    ["/blocked", {}],
    ["/skips", {}],
    ["/pause", { method: "POST" }],
    ["/resume", { method: "POST" }],
    ["/test", { method: "POST" }],
    ["/rewind", jsonPost({ dryRun: true })],
    ["/rotate-secret", { method: "POST" }],
    ["/blocked/user-1/retry", { method: "POST" }],
    ["/blocked/user-1/skip", { method: "POST" }],
  ];
  const unknown = "/subscriptions/sub_00000000000000000000000000000000";
  for (const [below, init] of requests) {
    const [hidden, missing] = [await shop.fetch(path + below, init), await shop.fetch(unknown + below, init)];
    const method = init.method ?? "GET";
    expect([method, below, hidden.status]).toEqual([method, below, 404]);
    const text = async (response: Response) => (await response.text()).replaceAll(/sub_\w+/g, "sub");
    expect(await text(hidden)).toBe(await text(missing));
  }
});

test("a rewind of chosen subjects reaches none that the subscription does not select", async () => {
  const id = await subscribe(shop, { source: "/events" });
  const counted = async (subjects: readonly string[]) => {
    const body = { after: 0, upTo: 4, subjects, dryRun: true };
    const response = await shop.fetch(`/subscriptions/${id}/rewind`, jsonPost(body));
    return response.ok ? ((await response.json()) as { events: number }).events : response.status;
  };
  expect(await counted(["user-1"])).toBe(await counted(["none-1"]));
});

test("what a subscription of a sender records is read by those alone who may read the log of administration", async () => {
  await subscribe(shop, { source: "/events" });
  const subjects = (await admin.get("/operations")).map(({ subject }) => subject);
  expect(subjects.some((subject) => subject.startsWith("/subscriptions/"))).toBe(true);
  for (const path of ["/operations", "/operations?subjectPrefix=/subscriptions/", "/operations/consumers"])
    expect((await shop.fetch(path)).status).toBe(403);
  expect((await app.fetch("/operations")).status).toBe(401);
});
