import { expect } from "bun:test";
import { tmpdir } from "node:os";

import { launch, type Served } from "../cli/support.ts";
import { type Deployment, jsonPost } from "./app.ts";
import { type Append, expectGapless, type Placed, placeOf, placesOf, wholeLog } from "../log/load.ts";
import { follow } from "../log/sent-events.ts";
import { examineAt, newDatabase, startServer } from "../runtime/server/servers.ts";

/** Clients of each server, each with one request at a time. */
const CLIENTS = 8;
const SHARED_STREAMS = 5;
const MAX_EVENTS = 20;

/** How long a server is under load until it is killed. */
const MIN_LOAD_MS = 20;
const MAX_LOAD_MS = 250;

/** Every so many rounds, a server is killed while it starts too. */
const KILL_START_EVERY = 5;
const MAX_START_MS = 250;

interface Request {
  readonly key: string;
  readonly appends: readonly (Append & { readonly expectedVersion?: number })[];
}

/** The events that the clients know, in spite of killed servers. */
interface Knowledge {
  /** By the event's id: where it is, by what a server answered or sent. */
  readonly certain: Map<string, Placed>;
  /** Requests that were not answered. */
  readonly doubtful: Request[];
  requests: number;
}

function below(limit: number): number {
  return Math.floor(Math.random() * limit);
}

function newAppend(stream: string, id: string): Append {
  const count = Math.random() < 0.5 ? 1 : 1 + below(MAX_EVENTS);
  const events = Array.from({ length: count }, (_, index) => ({
    type: "Happened",
    data: { id: `${id}/${index}` },
  }));
  return { stream, events };
}

/** Some events for shared streams, and some for the client's own, whose version it knows. */
function newRequest(knowledge: Knowledge, client: string, version: number): Request {
  const key = String((knowledge.requests += 1));
  const shared = Array.from({ length: below(3) }, (_, part) =>
    newAppend(`shared-${below(SHARED_STREAMS)}`, `${key}/${part}`),
  );
  const own = { ...newAppend(`own-${client}`, `${key}/own`), expectedVersion: version };
  return { key, appends: [...shared, own] };
}

function learn({ certain }: Knowledge, places: readonly Placed[]): void {
  for (const place of places) {
    const known = certain.get(place.id);
    if (known !== undefined) expect(place).toEqual(known);
    certain.set(place.id, place);
  }
}

/** Sends a request, and gives the answer; null when there is none, because the server is gone. */
async function send(
  server: Served,
  { key, appends }: Request,
): Promise<{ body: unknown; replayed: boolean } | null> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(`${server.url}/transactions`, jsonPost({ appends }, { "Idempotency-Key": key }));
    text = await response.text();
  } catch {
    return null;
  }
  if (response.status !== 201) throw new Error(`${response.status}: ${text}`);
  return { body: JSON.parse(text) as unknown, replayed: response.headers.has("idempotency-replayed") };
}

/** Appends until the server is gone. */
async function appendOn(server: Served, knowledge: Knowledge, client: string, start: number): Promise<void> {
  for (let version = start; ;) {
    const request = newRequest(knowledge, client, version);
    const answer = await send(server, request);
    if (answer === null) {
      knowledge.doubtful.push(request);
      return;
    }
    const places = placesOf(request.appends, answer.body);
    learn(knowledge, places);
    version = places.at(-1)?.version ?? version;
  }
}

/** Follows until the server is gone. Events that a reader received stay as well. */
async function followOn(server: Served, knowledge: Knowledge, after: number): Promise<void> {
  const node = { fetch: (path: string, init?: RequestInit) => fetch(server.url + path, init) };
  let cursor = after;
  const seen: Placed[] = [];
  try {
    for await (const event of follow(node, `/events?lastEventId=${after}`)) seen.push(placeOf(event));
  } catch {
    // The server is gone, with the connection.
  }
  for (const place of seen) expect(place.position).toBe((cursor += 1));
  learn(knowledge, seen);
}

/** Reads everything: acknowledged events are there once and in their places, and others only if they were requested. */
async function verify(server: Served, { certain, doubtful }: Knowledge): Promise<Map<string, Placed>> {
  const node = { fetch: (path: string, init?: RequestInit) => fetch(server.url + path, init) };
  const log = (await wholeLog(node)).map(placeOf);
  expectGapless(log);
  const stored = new Map(log.map((place) => [place.id, place]));
  for (const [id, place] of certain) {
    if (!Bun.deepEquals(stored.get(id), place)) {
      throw new Error(`${JSON.stringify(place)} is ${JSON.stringify(stored.get(id))} after the kill`);
    }
  }
  const unexplained = new Set([...stored.keys()].filter((id) => !certain.has(id)));
  for (const { key, appends } of doubtful) {
    const ids = appends.flatMap(({ events }) => events.map(({ data }) => data.id));
    const there = ids.filter((id) => stored.has(id));
    if (there.length > 0 && there.length < ids.length) throw new Error(`request ${key} is written in part`);
    for (const id of ids) unexplained.delete(id);
  }
  expect([...unexplained]).toEqual([]);
  return stored;
}

/** Repeats unanswered requests: each takes effect once, also if it already had. */
async function settle(
  server: Served,
  knowledge: Knowledge,
  stored: ReadonlyMap<string, Placed>,
): Promise<void> {
  const doubtful = knowledge.doubtful.splice(0);
  await Promise.all(
    doubtful.map(async (request) => {
      const answer = await send(server, request);
      const id = request.appends[0]?.events[0]?.data.id ?? "";
      expect(answer?.replayed).toBe(stored.has(id));
      learn(knowledge, placesOf(request.appends, answer?.body));
    }),
  );
}

function ownVersion({ certain }: Knowledge, client: string): number {
  let version = 0;
  for (const place of certain.values()) {
    if (place.stream === `own-${client}`) version = Math.max(version, place.version);
  }
  return version;
}

async function killInStart(url: string): Promise<void> {
  const environment = { KILDE_DATABASE_URL: url, KILDE_PORT: "0" };
  const child = launch(["serve"], { cwd: tmpdir(), environment });
  await Bun.sleep(below(MAX_START_MS));
  child.kill("SIGKILL");
  await child.exited;
}

interface KillOptions {
  readonly servers: number;
  readonly rounds: number;
  /** Of each server. Default: `CLIENTS`. */
  readonly clients?: number;
}

/**
 * Kills servers (SIGKILL) under load and starts them again, over and over. After each kill all that was
 * acknowledged is there, once and in its place, and the database is sound.
 */
export async function checkKills(
  kind: Deployment["name"],
  options: KillOptions,
): Promise<{ events: number; unanswered: number }> {
  const { url, stop } = await newDatabase(kind);
  try {
    return await killOver(url, options);
  } finally {
    await stop();
  }
}

async function killOver(
  url: string,
  { servers, rounds, clients: each = CLIENTS }: KillOptions,
): Promise<{ events: number; unanswered: number }> {
  const knowledge: Knowledge = { certain: new Map(), doubtful: [], requests: 0 };
  let unanswered = 0;
  for (let round = 0; ; round += 1) {
    if (round % KILL_START_EVERY === 0) await killInStart(url);
    const running = await Promise.all(Array.from({ length: servers }, () => startServer(url)));
    const [first] = running;
    if (first === undefined) throw new Error("there must be a server");
    await settle(first, knowledge, await verify(first, knowledge));
    await verify(first, knowledge);
    expect(await examineAt(url)).toEqual([]);
    if (round === rounds) {
      for (const server of running) await server.stop();
      return { events: knowledge.certain.size, unanswered };
    }

    const head = knowledge.certain.size;
    await Promise.all(
      running.map(async (server, number) => {
        const clients = Array.from({ length: each }, (_, index) => `${number}-${index}`);
        const load = Promise.all([
          followOn(server, knowledge, head),
          ...clients.map((client) => appendOn(server, knowledge, client, ownVersion(knowledge, client))),
        ]);
        await Bun.sleep(MIN_LOAD_MS + below(MAX_LOAD_MS - MIN_LOAD_MS));
        await server.stop("SIGKILL");
        await load;
      }),
    );
    unanswered += knowledge.doubtful.length;
  }
}
