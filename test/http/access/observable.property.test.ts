import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";

import { jsonPost, openApp, type TestApp, type WireEvent } from "../../support/app.ts";
import { sketch } from "../../support/feeds.ts";
import { createTestKey, type TestKey } from "../../support/keys.ts";
import { newDatabase } from "../../support/new-database.ts";
import { openProjection } from "../../support/projection.ts";
import { runsOn } from "../../support/tested-on.ts";

runsOn(["memory", "sqld"]);

const FEEDS = [
  sketch({ name: "one" }),
  sketch({ name: "one-more" }),
  sketch({ name: "two", source: { log: "/feeds/one/v1", types: ["PublicA"] } }),
  sketch({ name: "open", access: "public" }),
];
const FEED_PATHS = FEEDS.map(({ path }) => path);

const STREAMS = ["a-1", "a-2", "ab-1", "a/1", "b-1", "b-10", "B-1", "æ-1"];

/** Prefixes that senders ask for, and that grants may have. */
const PREFIXES = ["a", "a-", "a-1", "ab-", "b-1", "æ", "z"];

const GRANTS = [
  "admin",
  "append:/streams/a-*",
  "erase:/streams/*",
  "manage:/events",
  "manage:/feeds",
  "manage:/feeds/one",
  "manage:/feeds/one/v1",
  "manage:/subscriptions",
  "read:/metrics",
  "read:/events",
  "read:/streams/*",
  "read:/feeds",
  "read:/feeds/*",
  "read:/feeds/one",
  "read:/feeds/one*",
  "read:/feeds/one/v1",
  "read:/feeds/one/v2",
  "read:/feeds/two",
  "read:/feeds/none",
  ...STREAMS.map((name) => `read:/streams/${name}`),
  ...PREFIXES.flatMap((prefix) => [
    `read:/events?subjectPrefix=${prefix}`,
    `read:/streams/${prefix}*`,
    `read:/feeds/one?subjectPrefix=${prefix}`,
    `read:/feeds/two/v1?subjectPrefix=${prefix}`,
  ]),
];

/* The rule, as plainly as possible: a grant is a text, and so is everything that it allows. */

/** Whether a grant reaches the events of a stream. `whole`: whether it reaches all streams whose names begin so, too. */
function readsStream(grants: readonly string[], name: string, whole: boolean): boolean {
  return grants.some((grant) => {
    if (grant === "admin" || grant === "read:/events") return true;
    if (grant === `read:/streams/${name}`) return !whole;
    const prefix =
      /^read:\/events\?subjectPrefix=(.+)$/.exec(grant)?.[1] ?? /^read:\/streams\/(.*)\*$/.exec(grant)?.[1];
    return prefix !== undefined && name.startsWith(prefix);
  });
}

function readsFeed(grants: readonly string[], path: string, subject: string): boolean {
  if (path === "/feeds/open/v1") return true;
  return grants.some((grant) => {
    if (grant === "admin") return true;
    const [, granted = "", prefix = ""] = /^read:(\/feeds[^?]*)(?:\?subjectPrefix=(.*))?$/.exec(grant) ?? [];
    if (granted === "" || !subject.startsWith(prefix)) return false;
    if (granted.endsWith("*")) return path.startsWith(granted.slice(0, -1));
    return `${path}/`.startsWith(`${granted}/`);
  });
}

function managesFeed(grants: readonly string[], path: string): boolean {
  const manages = grants.filter((grant) => grant.startsWith("manage:"));
  return grants.includes("admin") || manages.some((grant) => `manage:${path}/`.startsWith(`${grant}/`));
}

const SUBJECTS_BY_GRANT = [...STREAMS, ...PREFIXES];

function seesFeed(grants: readonly string[], path: string): boolean {
  const readsSome = SUBJECTS_BY_GRANT.some((subject) => readsFeed(grants, path, subject));
  return readsSome || managesFeed(grants, path);
}

let app: TestApp;
let admin: TestKey;
let close: () => Promise<void>;
/** All events of each log, and all subscriptions with what they deliver. */
const events = new Map<string, readonly WireEvent[]>();
let subscriptions: readonly { readonly id: string; readonly source: string; readonly prefix: string }[];

beforeAll(async () => {
  const database = await newDatabase();
  app = await openApp({ database, feeds: FEEDS });
  for (const type of ["A", "B", "A"])
    for (const stream of STREAMS) await app.append(stream, { type, data: { stream } });
  admin = await createTestKey(app, ["admin"], { name: "the admin" });
  const { fetch } = admin;
  const keyed = jsonPost({ events: [{ type: "A" }] }, { "idempotency-key": "not yours" });
  expect((await fetch("/streams/a-1", keyed)).status).toBe(201);
  expect((await fetch("/appends/not%20yours")).status).toBe(200);
  const { feeds, ...projection } = await openProjection({ database, writer: app.store.writer }, FEEDS);
  await projection.drain();
  for (const path of ["/events", ...FEED_PATHS]) events.set(path, await admin.get(path));
  const made = [];
  for (const source of ["/events", ...FEED_PATHS])
    for (const prefix of ["", "a-", "b-1"]) {
      const init = jsonPost({ source, subjectPrefix: prefix, url: "http://127.0.0.1:9/hook" });
      const { subscription: id } = (await (await fetch("/subscriptions", init)).json()) as {
        subscription: string;
      };
      made.push({ id, source, prefix });
    }
  subscriptions = made;
  close = async () => {
    await feeds.close();
    await app.close();
  };
});
afterAll(() => close());

function idsOf(found: readonly WireEvent[]): string[] {
  return found.map(({ id }) => id).toSorted((one, other) => Number(one) - Number(other));
}

/** Follows `next` until an answer has nothing; null: it is refused. */
async function pages(key: TestKey, first: string): Promise<readonly WireEvent[] | null> {
  const found: WireEvent[] = [];
  for (let path = first; ;) {
    const response = await key.fetch(path);
    if (response.status !== 200) {
      expect([path, response.status]).toEqual([path, 403]);
      return null;
    }
    expect(response.headers.get("cache-control")).not.toBeNull();
    const page = (await response.json()) as WireEvent[];
    found.push(...page);
    const next = /<([^>]+)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
    if (page.length === 0 || next === undefined) return found;
    path = next;
  }
}

/** Prefixes that logs are also followed with; following takes the time of a silence. */
const FOLLOWED: ReadonlySet<string | null> = new Set([null, "a-", "b-1"]);

/** How long a stream is silent before it is taken to have sent everything, in milliseconds. */
const SILENCE_MS = 5;

/** Reads server-sent events until there are as many as expected, and then for a moment whether there are more. */
async function streamed(key: TestKey, path: string, expected: number): Promise<readonly WireEvent[] | null> {
  const gone = new AbortController();
  const response = await key.fetch(path, { headers: { accept: "text/event-stream" }, signal: gone.signal });
  if (response.status !== 200) {
    expect([path, response.status]).toEqual([path, 403]);
    return null;
  }
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const sent = () =>
    [...text.matchAll(/^data: ?(.*)$/gm)].map(([, data = ""]) => JSON.parse(data) as WireEvent);
  for (;;) {
    const reading = reader?.read();
    const isDone = sent().length >= expected && text.endsWith("\n\n");
    const read = await Promise.race([reading, ...(isDone ? [Bun.sleep(SILENCE_MS)] : [])]);
    if (read === undefined || read.done) break;
    text += read.value;
  }
  gone.abort();
  return sent();
}

/** Everything that a sender can read of a log, with every prefix, and that each answer is exactly the granted part. */
async function observed(key: TestKey, log: string, mayRead: (subject: string) => boolean): Promise<string[]> {
  const seen = new Map<string, WireEvent>();
  const all = events.get(log) ?? [];
  for (const prefix of [null, "", ...PREFIXES, ...STREAMS]) {
    const query = prefix === null ? "" : `subjectPrefix=${encodeURIComponent(prefix)}&`;
    const asked = all.filter(({ subject }) => subject.startsWith(prefix ?? ""));
    const allowed = asked.filter(({ subject }) => mayRead(subject));
    for (const found of [
      await pages(key, `${log}?${query}limit=3`),
      await pages(key, `${log}?${query}timeout=1`),
      FOLLOWED.has(prefix) ? await streamed(key, `${log}?${query}`, allowed.length) : null,
    ]) {
      if (found === null) continue;
      expect([log, prefix, idsOf(found)]).toEqual([log, prefix, idsOf(allowed)]);
      for (const event of found) seen.set(event.id, event);
    }
  }
  return idsOf([...seen.values()]);
}

async function names(key: TestKey, path: string, member: string, parameter: string): Promise<string[]> {
  const found = new Set<string>();
  for (const prefix of [null, "", ...PREFIXES, ...STREAMS]) {
    const query = prefix === null ? "" : `?prefix=${encodeURIComponent(prefix)}`;
    const response = await key.fetch(path + query);
    if (response.status !== 200) {
      expect([path, response.status]).toEqual([path, 403]);
      continue;
    }
    const listed = ((await response.json()) as Record<string, Record<string, string>[]>)[member] ?? [];
    for (const each of listed) found.add(each[parameter] ?? "");
  }
  return [...found].toSorted();
}

async function checkEvents(key: TestKey, grants: readonly string[]): Promise<void> {
  const all = events.get("/events") ?? [];
  const byPrefix = all.filter(({ subject }) => readsStream(grants, subject, true));
  const inLog = await observed(key, "/events", (subject) => readsStream(grants, subject, true));
  expect(inLog).toEqual(idsOf(byPrefix));
  for (const stream of STREAMS) {
    const path = `/streams/${encodeURIComponent(stream)}`;
    const found = await pages(key, `${path}?limit=2`);
    const own = all.filter(({ subject }) => subject === stream);
    const expected = readsStream(grants, stream, false) ? idsOf(own) : null;
    expect([stream, found === null ? null : idsOf(found)]).toEqual([stream, expected]);
  }
  const listed = STREAMS.filter((stream) => readsStream(grants, stream, true)).toSorted();
  expect(await names(key, "/streams", "streams", "stream")).toEqual(listed);
}

async function checkFeeds(key: TestKey, grants: readonly string[]): Promise<void> {
  for (const path of FEED_PATHS) {
    const all = events.get(path) ?? [];
    const mayRead = (subject: string) => readsFeed(grants, path, subject);
    const allowed = all.filter(({ subject }) => mayRead(subject));
    expect([path, await observed(key, path, mayRead)]).toEqual([path, idsOf(allowed)]);
    const subjects = [...new Set(allowed.map(({ subject }) => subject))].toSorted();
    expect([path, await names(key, `${path}/subjects`, "subjects", "subject")]).toEqual([path, subjects]);
    for (const stream of STREAMS) {
      const found = await pages(key, `${path}/subjects/${encodeURIComponent(stream)}`);
      expect([path, stream, found !== null]).toEqual([path, stream, mayRead(stream)]);
    }
    const consumers = await key.fetch(`${path}/consumers`);
    expect([path, consumers.status]).toEqual([path, managesFeed(grants, path) ? 200 : 403]);
  }
  const seen = FEED_PATHS.filter((path) => seesFeed(grants, path)).toSorted();
  const { feeds } = await key.get<{ feeds: { feed: string; version: number }[] }>("/feeds");
  expect(feeds.map(({ feed, version }) => `/feeds/${feed}/v${version}`).toSorted()).toEqual(seen);
  const { channels } = await key.get<{ channels: Record<string, { address: string }> }>("/asyncapi.json");
  expect(
    Object.values(channels)
      .map(({ address }) => address)
      .toSorted(),
  ).toEqual(seen);
}

async function checkOthers(key: TestKey, grants: readonly string[]): Promise<void> {
  const isAdmin = grants.includes("admin");
  const manages = isAdmin || grants.includes("manage:/subscriptions");
  const listed = await key.fetch("/subscriptions?limit=2");
  expect(listed.status).toBe(manages ? 200 : 403);
  const ids: string[] = [];
  for (let path: string | undefined = "/subscriptions?limit=2"; manages && path !== undefined;) {
    const page = await key.fetch(path);
    const { subscriptions: found } = (await page.json()) as { subscriptions: { subscription: string }[] };
    ids.push(...found.map(({ subscription }) => subscription));
    path = /<([^>]+)>; rel="next"/.exec(page.headers.get("link") ?? "")?.[1];
  }
  const visible = subscriptions.filter(({ source, prefix }) => {
    const whole = prefix === "" ? "\u0000" : prefix;
    return source === "/events" ? readsStream(grants, whole, true) : readsFeed(grants, source, whole);
  });
  expect(ids.toSorted()).toEqual(manages ? visible.map(({ id }) => id).toSorted() : []);
  const metrics = await key.fetch("/metrics");
  expect(metrics.status).toBe(isAdmin || grants.includes("read:/metrics") ? 200 : 403);
  expect((await key.fetch("/appends/not%20yours")).status).toBe(404);
  const consumers = await key.fetch("/events/consumers");
  expect(consumers.status).toBe(isAdmin || grants.includes("manage:/events") ? 200 : 403);
}

test("a sender observes exactly the part of the store that its grants name", async () => {
  const grants = fc.uniqueArray(fc.constantFrom(...GRANTS), { minLength: 1, maxLength: 5 });
  const property = fc.asyncProperty(grants, async (texts) => {
    const key = await createTestKey(app, texts);
    await checkEvents(key, texts);
    await checkFeeds(key, texts);
    await checkOthers(key, texts);
  });
  await fc.assert(property, { numRuns: 30 });
  expect(app.faults).toEqual([]);
});
