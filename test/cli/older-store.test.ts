import { afterEach, expect, test } from "bun:test";
import { join } from "node:path";

import { createClient, type KildeEvent } from "kilde/client";
import { receive } from "kilde/webhook";

import { TEST_SECRET_KEY } from "../support/app.ts";
import { eventually } from "../support/eventually.ts";
import { makeOlderStore } from "../support/older-store.ts";
import { SECRET } from "../webhooks/receive/support.ts";
import { cleanUp, emptyFolder, jsonLines, serve } from "./support.ts";

cleanUp();

const receivers: Bun.Server<undefined>[] = [];
afterEach(async () => {
  await Promise.all(receivers.splice(0).map((server) => server.stop(true)));
});

const DATA = { a: [1, 2], b: "one\nline" };
const PRETTY = JSON.stringify(DATA, null, 2);

/** Events that versions before this one accepted, and the data that they have. */
const EVENTS: readonly { type: string; data: string | null; extensions?: string; value: unknown }[] = [
  { type: "Pretty", data: PRETTY, value: DATA },
  { type: "Pretty", data: PRETTY.replaceAll("\n", "\r"), value: DATA },
  { type: "Pretty", data: `\r\n${PRETTY.replaceAll("\n", "\r\n\t")}\n`, value: DATA },
  { type: "Empty", data: "", value: undefined },
  { type: "Pretty", data: JSON.stringify(DATA), extensions: '{"metadata":"not json"}', value: DATA },
  { type: "Pretty", data: JSON.stringify(DATA), extensions: '{"projectedfrom":"x","reason":5}', value: DATA },
  { type: "Pretty", data: PRETTY, extensions: '{"metadata":"{\\"a\\": 1}","tenant":"t"}', value: DATA },
];

const CONFIG = `
import { defineConfig, defineFeed } from "kilde";
import { z } from "zod";
const data = z.object({ a: z.array(z.number()), b: z.string() });
const feed = defineFeed({
  name: "copies",
  version: 1,
  events: { Pretty: data, Empty: z.unknown() },
  contract: { Copy: data },
  publish: { Pretty: ({ data }) => ({ type: "Copy", data }), Empty: () => null },
});
export default defineConfig({ feeds: [feed] });
`;

const valueOf = ({ data }: { readonly data?: unknown }) => data;

test("a store of an older version is read right in every format", async () => {
  const cwd = emptyFolder();
  await makeOlderStore(`file:${join(cwd, "kilde.db")}`, "0005_verbatim_events", EVENTS);
  await Bun.write(join(cwd, "kilde.config.ts"), CONFIG);
  const server = await serve(cwd, ["--database-url", "file:kilde.db"], {
    environment: { KILDE_SECRET_KEYS: TEST_SECRET_KEY, KILDE_EGRESS_ALLOW: "127.0.0.1" },
  });
  const values = EVENTS.map(({ value }) => value);
  const copies = EVENTS.filter(({ type }) => type === "Pretty").map(() => DATA);

  const page = (await (await fetch(`${server.url}/events`)).json()) as { data?: unknown }[];
  expect(page.map(valueOf)).toEqual(values);
  const lines = await (
    await fetch(`${server.url}/streams/old`, { headers: { accept: "application/x-ndjson" } })
  ).text();
  expect(jsonLines(lines).map(valueOf)).toEqual(values);

  const client = createClient({ url: server.url });
  const read: KildeEvent[] = [];
  for await (const event of client.read()) read.push(event);
  expect(read.map(valueOf)).toEqual(values);
  expect(read.map(({ metadata, attributes }) => ({ metadata, attributes })).slice(4)).toEqual([
    { metadata: {}, attributes: { metadata: "not json" } },
    { metadata: {}, attributes: {} },
    { metadata: { a: 1 }, attributes: { tenant: "t" } },
  ]);
  expect(read.map(({ reason, projectedFrom }) => [reason, projectedFrom])).toEqual(
    read.map(() => [undefined, undefined]),
  );
  const followed: unknown[] = [];
  for await (const event of client.follow({ lastEventId: 0 })) {
    followed.push(event.data);
    if (followed.length === values.length) break;
  }
  expect(followed).toEqual(values);

  const published: unknown[] = [];
  for await (const event of client.follow({ feed: "copies/v1", lastEventId: 0 })) {
    published.push(event.data);
    if (published.length === copies.length) break;
  }
  expect(published).toEqual(copies);

  const delivered: unknown[] = [];
  const receiver = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const delivery = await receive(request, [SECRET]);
      if (delivery.kind === "events") delivered.push(...delivery.events.map(valueOf));
      return new Response(null, { status: 204 });
    },
  });
  receivers.push(receiver);
  const hook = `http://127.0.0.1:${receiver.port}/hook`;
  const created = await server.kilde([
    "webhooks",
    "create",
    "/events",
    hook,
    "--from",
    "beginning",
    "--secret",
    SECRET,
  ]);
  expect(created.stderr).toBe("");
  await eventually(() => delivered.length >= values.length);
  expect(delivered).toEqual(values);

  const exported = await server.kilde(["export"]);
  expect(jsonLines(exported.stdout).map(valueOf)).toEqual(values);
  const other = await serve(emptyFolder());
  expect((await other.kilde(["import", "-"], { stdin: exported.stdout })).stderr).toBe("");
  const imported = jsonLines((await other.kilde(["export"])).stdout);
  const essence = ({ type, data, metadata, attributes }: Record<string, unknown>) => ({
    type,
    data,
    metadata,
    attributes,
  });
  expect(imported.map(essence)).toEqual(jsonLines(exported.stdout).map(essence));
}, 60_000);
