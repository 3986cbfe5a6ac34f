import { expect, test } from "bun:test";

import { createClient } from "../../../src/client/client.ts";
import { readConsumers } from "../../../src/console/feeds/use-consumers.ts";
import { openApp } from "../../support/app.ts";
import { createTestKey } from "../../support/keys.ts";

test("readers: consumers that need a person come first, and a long list is cut", async () => {
  const app = await openApp();
  const url = "http://kilde.test";
  const clientBy = (fetch: typeof app.fetch) =>
    createClient({ url, fetch: (full, init) => fetch(full.slice(url.length), init) });
  const client = clientBy(app.fetch);
  await client.append("user-1", [{ type: "A" }, { type: "B" }]);
  const failure = {
    subject: "user-1",
    version: 1,
    type: "A",
    message: "no",
    attempts: 1,
    since: "2026-01-01T00:00:00.000Z",
  };
  await client.commit(2, { consumer: "a" });
  await client.commit(2, { consumer: "b" });
  await client.commit(1, { consumer: "z", blocked: 1, failure });
  const shown = async (size: number) => {
    const page = await readConsumers(client, undefined, size);
    return [page?.entries.map(({ consumer }) => consumer).join(""), page?.hasMore];
  };
  expect([await shown(3), await shown(2), await shown(1)]).toEqual([
    ["zab", false],
    ["za", true],
    ["z", true],
  ]);
  const { fetch } = await createTestKey(app, ["read:/feeds"]);
  expect(await readConsumers(clientBy(fetch), undefined)).toBeNull();
  await app.close();
});
