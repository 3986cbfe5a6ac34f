import type { Context, MiddlewareHandler } from "hono";

import { KildeError } from "../../core/errors.ts";
import type { ContractSchemas } from "../../feeds/contract/compatibility.ts";
import type { OpenFeed } from "../../feeds/feeds.ts";
import type { FeedState } from "../../feeds/lifecycle/status.ts";
import { EVENT_LOG_ADDRESS } from "../../log/keys.ts";
import type { LogReader } from "../../log/read/reader.ts";
import type { AppDeps } from "../deps.ts";
import { actorOf, principalOf } from "../pipeline/authorization.ts";
import { managesFeed, seesFeed, shownPrefix } from "./feed-access.ts";
import { versionOf } from "./feed-in-path.ts";
import { setDeprecation } from "./deprecation.ts";
import { validQuery, readLog } from "../log/pages.ts";
import { subjectNameOf } from "../streams/stream-name.ts";
import { listing } from "../streams/streams.ts";
import { jsonAnswer } from "../wire/json-answer.ts";

function feedOf(c: Context, { feeds }: AppDeps): OpenFeed | null {
  const { name, version } = versionOf(c);
  return feeds.find(name, version);
}

/**
 * Returns the feed that the path names, even one that is being retired. Throws when it was retired before the start.
 */
async function knownFeed(c: Context, deps: AppDeps): Promise<OpenFeed> {
  const feed = feedOf(c, deps);
  if (feed !== null) return feed;
  const { name, version } = versionOf(c);
  const path = `/feeds/${name}/v${version}`;
  if (await deps.feeds.wasRetired(name, version)) throw retired(path);
  throw new KildeError("feed-not-found", `There is no feed ${path}`);
}

function retired(path: string): KildeError {
  return new KildeError("feed-retired", `${path} was retired`);
}

/** Returns the feed that the path names. */
export async function existingFeed(c: Context, deps: AppDeps): Promise<OpenFeed> {
  const feed = await knownFeed(c, deps);
  if (await deps.feeds.isServed(feed)) return feed;
  throw retired(feed.feed.path);
}

/** Returns the reader of the feed that the path names. */
async function readerOf(c: Context, deps: AppDeps): Promise<LogReader> {
  const feed = await knownFeed(c, deps);
  const readability = await deps.feeds.readability(feed);
  if (readability === "readable") return feed.reader;
  if (readability === "retired") throw retired(feed.feed.path);
  // The stored events may follow another contract than the one that is served.
  throw new KildeError("feed-behind", `${feed.feed.path} is about to be built again`);
}

/**
 * Reads a feed. A read that fails because the feed was retired meanwhile, such as a long-poll, reports the
 * retirement.
 */
async function untilRetired(deps: AppDeps, open: OpenFeed, read: () => Promise<Response>): Promise<Response> {
  try {
    return await read();
  } catch (error) {
    if ((await deps.feeds.readability(open)) === "retired") throw retired(open.feed.path);
    throw error;
  }
}

/** The statuses of refusals that are the same whether or not the feed exists. */
const REFUSALS: ReadonlySet<number> = new Set([401, 403]);

/**
 * Adds the headers of a deprecated version to every answer about it, also to those without an operation, such as 405; except
 * for senders that may not know that there is such a feed.
 */
export function deprecation(deps: AppDeps): MiddlewareHandler {
  return async (c, next) => {
    await next();
    const found = REFUSALS.has(c.res.status) ? null : feedOf(c, deps);
    if (found !== null && seesFeed(principalOf(c), found.feed)) setDeprecation(c, deps.basePath, found.feed);
  };
}

/** Returns the paths of a feed's parts. */
function linksOf(basePath: string, feed: OpenFeed["feed"]) {
  const { name, successor } = feed;
  const path = basePath + feed.path;
  return {
    events: path,
    subjects: `${path}/subjects`,
    subject: `${path}/subjects/{subject}`,
    status: `${path}/status`,
    schemas: `${path}/schemas`,
    ...(successor === null ? {} : { successor: `${basePath}/feeds/${name}/v${successor}` }),
  };
}

/** Returns the path of the log that a feed is projected from; null: another feed, of which the sender may not learn. */
function sourceShown(c: Context, { feeds }: AppDeps, { source, path }: OpenFeed["feed"]): string | null {
  if (source.log === EVENT_LOG_ADDRESS.name) return source.log;
  const from = feeds.all.find(({ feed }) => feed.path === source.log)?.feed ?? null;
  const principal = principalOf(c);
  const isShown = from === null ? managesFeed(principal, { path }) : seesFeed(principal, from);
  return isShown ? source.log : null;
}

/** The present state and contract of a feed. */
interface FeedFacts {
  readonly state: FeedState;
  readonly schemas: ContractSchemas;
}

/** Returns the entries of feeds in the catalog, with failures for those who manage them. Feeds that were retired are missing. */
async function entriesOf(c: Context, deps: AppDeps, opened: readonly OpenFeed[]) {
  const states = await deps.feeds.states(opened);
  const schemas = await deps.feeds.schemas(opened);
  return opened.flatMap((open) => {
    const state = states.get(open);
    return state === undefined ? [] : [entryOf(c, deps, open, { state, schemas: schemas.get(open) ?? {} })];
  });
}

function entryOf(c: Context, deps: AppDeps, open: OpenFeed, { state, schemas }: FeedFacts) {
  const { name, version, description, draft, access, deprecated, sunset, successor } = open.feed;
  return {
    feed: name,
    version,
    description,
    draft,
    access,
    source: sourceShown(c, deps, open.feed),
    types: Object.keys(schemas),
    ...state,
    ...(managesFeed(principalOf(c), open.feed) ? {} : { failure: null }),
    deprecated,
    sunset,
    successor,
    links: linksOf(deps.basePath, open.feed),
  };
}

const FRESH = { "Cache-Control": "no-cache" };

/** `GET /feeds`: the catalog, of the feeds that the sender may read some of. */
export async function getFeeds(c: Context, deps: AppDeps): Promise<Response> {
  const principal = principalOf(c);
  const shown = deps.feeds.all.filter(({ feed }) => seesFeed(principal, feed));
  return jsonAnswer(c, { feeds: await entriesOf(c, deps, shown) }, 200, FRESH);
}

async function entryAnswer(
  c: Context,
  deps: AppDeps,
  open: OpenFeed,
  status: 200 | 202 = 200,
): Promise<Response> {
  const [found] = await entriesOf(c, deps, [open]);
  if (found === undefined) throw retired(open.feed.path);
  return jsonAnswer(c, found, status, FRESH);
}

/** `GET /feeds/{feed}/v{version}/status` */
export async function getFeedStatus(c: Context, deps: AppDeps): Promise<Response> {
  return entryAnswer(c, deps, await knownFeed(c, deps));
}

/** `POST /feeds/{feed}/v{version}/resume`: a halted feed retries the event; other feeds continue unchanged. */
export async function resumeFeed(c: Context, deps: AppDeps): Promise<Response> {
  const open = await existingFeed(c, deps);
  await deps.feeds.resume(open, actorOf(c));
  return entryAnswer(c, deps, open);
}

/**
 * `DELETE /feeds/{feed}/v{version}`: removes the feed permanently, unless a consumer, subscription or feed still uses
 * it.
 */
export async function deleteFeed(c: Context, deps: AppDeps): Promise<Response> {
  const open = await existingFeed(c, deps);
  const { force = false } = validQuery(c, deps.schemas.retireQuery);
  await deps.feeds.retire(open, { force }, actorOf(c));
  return entryAnswer(c, deps, open, 202);
}

/** `POST /feeds/{feed}/v{version}/rebuild`: empties a draft and builds it again. */
export async function rebuildDraft(c: Context, deps: AppDeps): Promise<Response> {
  const open = await existingFeed(c, deps);
  await deps.feeds.rebuild(open, actorOf(c));
  return entryAnswer(c, deps, open, 202);
}

/** `GET /feeds/{feed}/v{version}/schemas`: the JSON Schemas of the published events, by type. */
export async function getFeedSchemas(c: Context, deps: AppDeps): Promise<Response> {
  const open = await existingFeed(c, deps);
  return jsonAnswer(c, { schemas: (await deps.feeds.schemas([open])).get(open) }, 200, FRESH);
}

/** `GET /feeds/{feed}/v{version}`: reads or follows the feed. */
export async function getFeed(c: Context, deps: AppDeps): Promise<Response> {
  const open = await knownFeed(c, deps);
  const reader = await readerOf(c, deps);
  const asked = validQuery(c, deps.schemas.logQuery);
  const query = { ...asked, subjectPrefix: shownPrefix(c, deps, asked.subjectPrefix) };
  return untilRetired(deps, open, () => readLog(c, deps, reader, null, query, open.feed));
}

/** `GET /feeds/{feed}/v{version}/subjects` */
export async function getFeedSubjects(c: Context, deps: AppDeps): Promise<Response> {
  const reader = await readerOf(c, deps);
  return listing(c, deps, reader, "subject", (asked) => shownPrefix(c, deps, asked));
}

/** Makes a subject complete. Only those who manage the feed learn why its projection fails. */
async function hydrated(c: Context, { feeds }: AppDeps, open: OpenFeed, subject: string): Promise<void> {
  try {
    await feeds.hydrate(open, subject);
  } catch (error) {
    if (!(error instanceof KildeError) || error.code !== "projection-failed") throw error;
    if (managesFeed(principalOf(c), open.feed)) throw error;
    throw new KildeError("projection-failed", `${open.feed.path} cannot project an event of this subject`);
  }
}

/** `GET /feeds/{feed}/v{version}/subjects/{subject}`: complete as of the request, in every state of the feed. */
export async function getFeedSubject(c: Context, deps: AppDeps): Promise<Response> {
  const open = await existingFeed(c, deps);
  const subject = subjectNameOf(c, deps, "subject");
  const query = validQuery(c, deps.schemas.streamQuery);
  await hydrated(c, deps, open, subject);
  // Hydration has just written to the primary, and a replica may not have those events yet.
  return untilRetired(deps, open, () => readLog(c, deps, open.primaryReader, subject, query, open.feed));
}
