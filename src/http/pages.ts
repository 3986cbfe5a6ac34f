import type { Context } from "hono";
import type { z } from "zod";

import { KildeError } from "../core/errors.ts";
import { type Cursor, parseCursor } from "../core/cursor.ts";
import { DEFAULT_PAGE_EVENTS } from "../core/limits.ts";
import type { Filter } from "../log/pages.ts";
import type { PageAnswer, PageQuery } from "../log/query.ts";
import type { LogReader } from "../log/reader.ts";
import { findSubject } from "../log/subjects.ts";
import { pageCaching } from "./caching.ts";
import { consumerOf } from "./consumer-name.ts";
import type { AppDeps } from "./deps.ts";
import { eventStream } from "./event-stream.ts";
import { type HeldAnswer, holdAnswer } from "./held-answer.ts";
import { checkCursor } from "./log-identity.ts";
import { type Representation, representationOf } from "./negotiate.ts";
import { pageResponse } from "./page-response.ts";
import { awaitPosition, headBeyond, shownPosition } from "./position.ts";
import { validationError } from "./problems.ts";
import { isHead } from "./resource.ts";
import type { Schemas } from "./schemas.ts";

export type LogQuery = z.output<Schemas["logQuery"]> & Partial<z.output<Schemas["streamQuery"]>>;

/** The query parameters, checked: a list where a parameter is repeated. */
export function queryOf<Schema extends z.ZodType>(c: Context, schema: Schema): z.output<Schema> {
  const parameters = Object.entries(c.req.queries()).map(([name, values]) => [
    name,
    values.length === 1 ? values[0] : values,
  ]);
  const result = schema.safeParse(Object.fromEntries(parameters));
  if (!result.success) throw validationError("invalid-parameter", result.error.issues);
  return result.data;
}

/** Waits until there is something after the page that was empty, or the time is up; then reads again. */
async function longPoll(
  c: Context,
  deps: AppDeps,
  log: LogReader,
  query: PageQuery,
  cursor: Cursor | undefined,
  timeoutMs: number,
  { framing }: Representation,
  empty: PageAnswer,
  { admit }: HeldAnswer,
): Promise<PageAnswer> {
  const { signal } = c.req.raw;
  const done = new AbortController();
  const end = () => done.abort();
  const leave = deps.followers.enter({ end, beat() {} });
  const isThereMore = Promise.withResolvers<boolean>();
  const interest = { subject: query.subject, filter: query.filter };
  const { head, identity } = empty;
  const following = log.follow(
    interest,
    { position: head, identity },
    {
      take: () => isThereMore.resolve(true),
      renewed: () => isThereMore.resolve(true),
      fail: isThereMore.reject,
    },
  );
  signal.addEventListener("abort", end);
  if (deps.closing.aborted || signal.aborted) end();
  void deps.clock.sleep(timeoutMs, done.signal).then(() => isThereMore.resolve(false));
  try {
    following.ask();
    if (!(await isThereMore.promise)) return empty;
    const answer = await log.page(query, framing, { signal, admit });
    // Also a bare cursor belongs to the history that the request began with.
    const { position = 0, identity: stated } = cursor ?? {};
    await checkCursor(deps, log, { position, identity: stated ?? identity }, answer);
    return answer;
  } finally {
    end();
    following.end();
    signal.removeEventListener("abort", end);
    leave();
  }
}

/** Where server-sent events begin: the header is where a reconnecting client left off, so it wins. */
function eventStreamStart(c: Context, query: LogQuery): Cursor | undefined {
  const header = c.req.raw.headers.get("last-event-id");
  if (header === null || header === "") return query.lastEventId;
  const cursor = parseCursor(header);
  if (cursor !== null) return cursor;
  const detail = "must be the id of an event";
  throw new KildeError("invalid-parameter", `Last-Event-ID: ${detail}`, {
    errors: [{ parameter: "Last-Event-ID", detail }],
  });
}

function refuseCombination(parameter: string, detail: string): never {
  throw new KildeError("invalid-parameter", `${parameter}: ${detail}`, { errors: [{ parameter, detail }] });
}

async function followResponse(
  c: Context,
  deps: AppDeps,
  log: LogReader,
  subject: string | null,
  query: LogQuery,
  filter: Filter,
): Promise<Response> {
  const { direction, limit, timeout, afterVersion, toVersion, asOf } = query;
  const others = { direction, limit, timeout, afterVersion, toVersion, asOf };
  for (const [name, value] of Object.entries(others)) {
    if (value !== undefined) refuseCombination(name, "has no meaning for an event stream");
  }
  const cursor = eventStreamStart(c, query);
  const state = await log.state();
  await checkCursor(deps, log, cursor, state);
  const position = cursor?.position ?? 0;
  if (position > state.head) await headBeyond(deps, log, position);
  const start = { position, identity: state.identity };
  return eventStream(c, deps, log, { subject, filter }, start, consumerOf(c, deps));
}

/** Reads a page from a state that has all that the request shows to be known. */
async function freshPage(
  c: Context,
  deps: AppDeps,
  log: LogReader,
  query: PageQuery,
  cursor: Cursor | undefined,
  { framing }: Representation,
  { admit }: HeldAnswer,
): Promise<PageAnswer> {
  const { subject, lastEventId = 0, direction } = query;
  const { signal } = c.req.raw;
  const read = async () => {
    const page = await log.page(query, framing, { signal, admit });
    await checkCursor(deps, log, cursor, page);
    return page;
  };
  const shown = shownPosition(c);
  // What comes before the cursor must be all there; after it there may be nothing yet.
  const needed = log.replica && direction === "backwards" ? Math.max(shown, lastEventId) : shown;
  let answer = await read();
  if (answer.head < needed) {
    await awaitPosition(deps, log, needed, signal);
    answer = await read();
  }
  if (subject !== null && answer.subject === null && log.replica) {
    // Only the primary can tell that there is none.
    const known = await findSubject(deps.database, log.address, subject);
    if (known !== null) {
      await awaitPosition(deps, log, known.position, signal);
      answer = await read();
    }
  }
  if (lastEventId <= answer.head) return answer;
  await headBeyond(deps, log, lastEventId);
  return { ...answer, head: lastEventId };
}

/** Reads or follows a log, or one subject of it, as the request says. `isDraft`: the log is a draft of a feed. */
export async function readLog(
  c: Context,
  deps: AppDeps,
  log: LogReader,
  subject: string | null,
  query: LogQuery,
  isDraft = false,
): Promise<Response> {
  const representation = representationOf(c);
  if (representation.framing === "event-stream") {
    const filter: Filter = { types: query.type, subjectPrefix: query.subjectPrefix };
    return followResponse(c, deps, log, subject, query, filter);
  }
  const held = holdAnswer(deps);
  try {
    return await pageOf(c, deps, log, subject, query, representation, held, isDraft);
  } catch (error) {
    held.release();
    throw error;
  }
}

async function pageOf(
  c: Context,
  deps: AppDeps,
  log: LogReader,
  subject: string | null,
  query: LogQuery,
  representation: Representation,
  held: HeldAnswer,
  isDraft: boolean,
): Promise<Response> {
  const filter: Filter = { types: query.type, subjectPrefix: query.subjectPrefix };
  const { lastEventId: cursor, afterVersion, toVersion, asOf, direction = "forwards", timeout = 0 } = query;
  if (timeout > 0 && direction === "backwards") refuseCombination("timeout", "waits for later events only");
  const limit = query.limit ?? Math.min(DEFAULT_PAGE_EVENTS, deps.limits.pageEvents);
  const range = { lastEventId: cursor?.position, afterVersion, toVersion, asOf };
  const page: PageQuery = { subject, direction, limit, filter, ...range };
  const consumer = consumerOf(c, deps);
  let answer = await freshPage(c, deps, log, page, cursor, representation, held);
  // There is nothing to wait for: the body that news would come in is not sent.
  if (answer.count === 0 && timeout > 0 && !isHead(c)) {
    answer = await longPoll(c, deps, log, page, cursor, timeout, representation, answer, held);
  }
  if (subject !== null && answer.subject === null && timeout === 0) {
    if (log === deps.reader) {
      throw new KildeError("stream-not-found", `There is no stream ${JSON.stringify(subject)}`, {
        stream: subject,
      });
    }
    const detail = `${log.name} has no events about ${JSON.stringify(subject)}`;
    throw new KildeError("subject-not-found", detail);
  }
  if (consumer !== null) deps.sightings.saw(log.address, consumer, sentUpTo(page, answer));
  const request = { cursor, backwards: direction === "backwards", cacheKey: query.cacheKey, isDraft };
  const caching = await pageCaching(log, answer, request);
  return pageResponse(c, deps, answer, { query, representation, request, caching, held });
}

/** The position that a page leaves nothing before; null where that cannot be said of the log. */
function sentUpTo({ subject, direction }: PageQuery, { full, last, head }: PageAnswer): number | null {
  if (subject !== null || direction === "backwards") return null;
  return full ? last : head;
}
