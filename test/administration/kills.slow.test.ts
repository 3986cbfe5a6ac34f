import { afterAll, expect, test } from "bun:test";

import { listErasures } from "../../src/log/erase/erasures.ts";
import { EVENT_LOG_ADDRESS } from "../../src/log/keys.ts";
import { openDatabase } from "../../src/storage/open.ts";
import { jsonPost, takeEvents, TEST_SECRET_KEY, type WireEvent } from "../support/app.ts";
import { type ServerProcess, startServer } from "../support/process.ts";
import { examineAt, newDatabase } from "../runtime/server/servers.ts";

/*
 * Servers are killed at random while clients erase streams and change subscriptions. An entry is there exactly if its change
 * is.
 */

const ROUNDS = 8;
const CLIENTS = 6;
const LOAD_MS = 400;
const ENVIRONMENT = { KILDE_SECRET_KEYS: TEST_SECRET_KEY };

const databases: { stop(): Promise<void> }[] = [];
afterAll(() => Promise.all(databases.map((database) => database.stop())));

async function newFile(): Promise<string> {
  const database = await newDatabase("file");
  databases.push(database);
  return database.url;
}

/** Changes of one client until the server is gone; `created` has the acknowledged subscriptions. */
async function change({ url }: ServerProcess, client: string, erased: Set<string>, created: Set<string>) {
  const call = async (path: string, init: RequestInit) => {
    const response = await fetch(url + path, init);
    return { ok: response.ok, body: (await response.json()) as { subscription?: string } };
  };
  try {
    for (let count = 0; ; count += 1) {
      const stream = `${client}-${count}`;
      await call(`/streams/${stream}`, jsonPost({ events: [{ type: "A" }, { type: "A" }] }));
      if ((await call(`/streams/${stream}?reason=r`, { method: "DELETE" })).ok) erased.add(stream);
      const body = { source: "/events", url: "https://receiver.example/hook" };
      const made = await call("/subscriptions", jsonPost(body));
      if (made.ok) created.add(`/subscriptions/${made.body.subscription}`);
    }
  } catch {
    // The server was killed.
  }
}

async function allEntries({ url }: ServerProcess): Promise<WireEvent[]> {
  const all: WireEvent[] = [];
  for (;;) {
    const after = all.at(-1)?.id ?? "0";
    const response = await fetch(`${url}/operations?lastEventId=${after}&limit=1000`);
    const page = (await response.json()) as WireEvent[];
    if (page.length === 0) return all;
    all.push(...page);
  }
}

function expectGapless(entries: readonly WireEvent[]): void {
  expect(entries.map(({ id }) => Number(id))).toEqual(entries.map((_, index) => index + 1));
  const versions = new Map<string, number>();
  for (const { subject, sequence } of entries) {
    expect(Number(sequence)).toBe((versions.get(subject) ?? 0) + 1);
    versions.set(subject, Number(sequence));
  }
}

test("an entry is there exactly if its change is, however often servers are killed", async () => {
  const url = await newFile();
  const [erased, created] = [new Set<string>(), new Set<string>()];
  for (let round = 0; round < ROUNDS; round += 1) {
    const server = await startServer(url, ENVIRONMENT);
    const clients = Array.from({ length: CLIENTS }, (_, client) =>
      change(server, `${round}-${client}`, erased, created),
    );
    await Bun.sleep(LOAD_MS * (0.5 + Math.random()));
    await server.kill("SIGKILL");
    await Promise.all(clients);
  }
  const server = await startServer(url, ENVIRONMENT);
  const entries = await allEntries(server);
  expectGapless(entries);
  const ofType = (wanted: string) =>
    entries
      .filter(({ type }) => type === wanted)
      .map(({ subject }) => subject)
      .toSorted();
  const database = openDatabase({ url });
  const stored = await Array.fromAsync(listErasures(database, EVENT_LOG_ADDRESS));
  const ids = await database.read({ sql: "select id from subscriptions", args: [] });
  database.close();
  expect(ofType("kilde.stream.erased")).toEqual(
    stored.map(({ subject }) => `/streams/${subject}`).toSorted(),
  );
  expect(ofType("kilde.subscription.created")).toEqual(
    ids.map(([id]) => `/subscriptions/${String(id)}`).toSorted(),
  );
  expect(
    [...erased].filter((stream) => !ofType("kilde.stream.erased").includes(`/streams/${stream}`)),
  ).toEqual([]);
  expect([...created].filter((path) => !ofType("kilde.subscription.created").includes(path))).toEqual([]);
  expect(erased.size).toBeGreaterThan(ROUNDS);
  await server.kill("SIGTERM");
  expect(await examineAt(url)).toEqual([]);
}, 120_000);

test("two nodes write one log without a gap, and a follower of one gets the entries of the other", async () => {
  const url = await newFile();
  const nodes = await Promise.all([startServer(url, ENVIRONMENT), startServer(url, ENVIRONMENT)]);
  const [one, other] = nodes;
  if (one === undefined || other === undefined) throw new Error("two nodes were started");
  const headers = { accept: "text/event-stream" };
  const following = await fetch(`${one.url}/operations`, { headers });
  const count = 30;
  const erase = async ({ url: node }: ServerProcess, name: string) => {
    for (let n = 0; n < count; n += 1) {
      await fetch(`${node}/streams/${name}-${n}`, jsonPost({ events: [{ type: "A" }] }));
      const response = await fetch(`${node}/streams/${name}-${n}?reason=r`, { method: "DELETE" });
      expect(response.status).toBe(200);
    }
  };
  await Promise.all(nodes.map((node, index) => erase(node, String(index))));
  const sent = await takeEvents(following, 2 * count);
  expectGapless(sent.map(({ data }) => data));
  expectGapless(await allEntries(other));
  await Promise.all(nodes.map((node) => node.kill("SIGTERM")));
  expect(await examineAt(url)).toEqual([]);
}, 60_000);
