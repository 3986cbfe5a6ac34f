import type { Context } from "hono";
import type { z } from "zod";

import { KildeError } from "../../core/errors.ts";
import { type Cursor, parseCursor } from "../../core/cursor.ts";
import { DEFAULT_PAGE_EVENTS } from "../../core/limits.ts";
import type { Feed } from "../../feeds/feed.ts";
import type { EventFilter } from "../../log/read/pages.ts";
import type { PageAnswer, PageQuery } from "../../log/read/query.ts";
import type { LogReader } from "../../log/read/reader.ts";
import { pageCaching } from "./caching.ts";
import { consumerOf } from "../consumers/consumer-name.ts";
import type { AppDeps } from "../deps.ts";
import { eventStream } from "./event-stream.ts";
import { freshPage, longPoll } from "./fresh-page.ts";
import { type HeldAnswer, holdAnswer } from "../wire/held-answer.ts";
import { requireCursorOf } from "./log-identity.ts";
import { type Representation, representationOf } from "../wire/negotiate.ts";
import { pageResponse } from "./page-response.ts";
import { headBeyond } from "./position.ts";
import { principalOf } from "../pipeline/authorization.ts";
import { validationError } from "../pipeline/problems.ts";
import { isHead } from "../pipeline/routes.ts";
import type { RequestSchemas } from "../openapi/schemas.ts";

export type LogQuery = z.output<RequestSchemas["logQuery"]> &
  Partial<z.output<RequestSchemas["streamQuery"]>>;

/** Returns the validated query parameters. A repeated parameter becomes a list. */
export function validQuery<Schema extends z.ZodType>(c: Context, schema: Schema): z.output<Schema> {
  const parameters = Object.entries(c.req.queries()).map(([name, values]) => [
    name,
    values.length === 1 ? values[0] : values,
  ]);
  const result = schema.safeParse(Object.fromEntries(parameters));
  if (!result.success) throw validationError("invalid-parameter", result.error.issues);
  return result.data;
}

/**
 * Returns the start of an event stream. The header takes precedence over the query: it holds the last event that a
 * reconnecting client received.
 */
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
  filter: EventFilter,
): Promise<Response> {
  const { direction, limit, timeout, afterVersion, toVersion, asOf } = query;
  const others = { direction, limit, timeout, afterVersion, toVersion, asOf };
  for (const [name, value] of Object.entries(others)) {
    if (value !== undefined) refuseCombination(name, "has no meaning for an event stream");
  }
  const cursor = eventStreamStart(c, query);
  const state = await requireCursorOf(deps, log, cursor);
  const position = cursor?.position ?? 0;
  if (position > state.head) await headBeyond(deps, log, position);
  const start = { position, identity: state.identity };
  return eventStream(c, deps, log, { subject, filter }, start, consumerOf(c, deps));
}

/** The properties of a feed that its pages depend on. */
type ReadFeed = Pick<Feed, "draft" | "access">;

/** Reads or follows a log, or one subject of it. `feed`: the feed whose log it is; null: it is of no feed. */
export async function readLog(
  c: Context,
  deps: AppDeps,
  log: LogReader,
  subject: string | null,
  query: LogQuery,
  feed: ReadFeed | null = null,
): Promise<Response> {
  const representation = representationOf(c);
  if (representation.framing === "event-stream") {
    const filter: EventFilter = { types: query.type, subjectPrefix: query.subjectPrefix };
    return followResponse(c, deps, log, subject, query, filter);
  }
  const held = holdAnswer(deps, principalOf(c));
  try {
    return await pageOf(c, deps, log, subject, query, representation, held, feed);
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
  feed: ReadFeed | null,
): Promise<Response> {
  const filter: EventFilter = { types: query.type, subjectPrefix: query.subjectPrefix };
  const { lastEventId: cursor, afterVersion, toVersion, asOf, direction = "forwards", timeout = 0 } = query;
  if (timeout > 0 && direction === "backwards") refuseCombination("timeout", "waits for later events only");
  const limit = query.limit ?? Math.min(DEFAULT_PAGE_EVENTS, deps.limits.pageEvents);
  const range = { lastEventId: cursor?.position, afterVersion, toVersion, asOf };
  const page: PageQuery = { subject, direction, limit, filter, ...range };
  const consumer = consumerOf(c, deps);
  let answer = await freshPage(c, deps, log, page, cursor, representation, held);
  // HEAD does not wait: its answer has no body for new events.
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
  if (consumer !== null) deps.activity.record(log.address, consumer, sentUpTo(page, answer));
  const request = {
    cursor,
    backwards: direction === "backwards",
    cacheKey: query.cacheKey,
    isDraft: feed?.draft === true,
    isPublic: feed?.access === "public",
  };
  const caching = await pageCaching(log, answer, request);
  const response = pageResponse(c, deps, answer, { query, representation, request, caching, held });
  if (response.body !== null) deps.sent.counter(log.name, "page").add(answer.count);
  return response;
}

/** Position up to which a page has sent the whole log; null for a page of one subject or a backward page. */
function sentUpTo({ subject, direction }: PageQuery, { full, last, head }: PageAnswer): number | null {
  if (subject !== null || direction === "backwards") return null;
  return full ? last : head;
}
