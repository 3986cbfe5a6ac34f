import { afterEach, beforeEach, expect, test } from "bun:test";

import { jsonPost, openApp, type TestApp } from "../support/app.ts";
import { createTestKey } from "../support/keys.ts";
import { runsOn } from "../support/tested-on.ts";

runsOn(["memory", "sqld"]);

let app: TestApp;
beforeEach(async () => {
  app = await openApp();
});
afterEach(() => app.close());

test("an entry names the key that made the change, and only its readers see it", async () => {
  const clerk = await createTestKey(app, ["append:/streams/user-*", "erase:/streams/user-*"], {
    name: "clerk",
  });
  const auditor = await createTestKey(app, ["read:/operations"]);
  await clerk.fetch("/streams/user-1", jsonPost({ events: [{ type: "A" }, { type: "A" }] }));
  expect((await clerk.fetch("/streams/user-1?before=2", { method: "DELETE" })).status).toBe(200);
  expect((await clerk.fetch("/streams/user-1?reason=asked", { method: "DELETE" })).status).toBe(200);
  expect((await clerk.fetch("/operations")).status).toBe(403);
  expect((await app.fetch("/operations")).status).toBe(401);
  const response = await auditor.fetch("/operations?subjectPrefix=/streams/");
  const entries = (await response.json()) as { type: string; data: { principal: string | null } }[];
  expect(entries.map(({ type, data }) => [type, data.principal])).toEqual([
    ["kilde.stream.truncated", "clerk"],
    ["kilde.stream.erased", "clerk"],
  ]);
});
