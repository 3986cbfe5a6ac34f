import { eventIdOf } from "../core/cursor.ts";
import { eventOf, type WireEvent } from "../core/read-event.ts";
import type { Answer } from "./answer.ts";
import { createPageLimit } from "./page-limit.ts";
import { type NextPage, nextPageOf, saysEnd } from "./page-end.ts";
import { parsePage } from "./parse-events.ts";
import { sendRead } from "./position.ts";
import type { Request, RequestDeps } from "./request.ts";
import type { FeedVersion, KildeEvent, ReadOptions } from "./types.ts";

/** Events per page, unless the caller states another size or the server's limit is lower. */
const PAGE_SIZE = 1_000;

/** The log to read: the event log or one of its streams, or a feed or one of its subjects. */
export interface ReadSource {
  readonly stream?: string | undefined;
  readonly feed?: FeedVersion | undefined;
  readonly subject?: string | undefined;
}

/** The path of a log: `/events`, `/operations`, or `/feeds/{name}/v{version}`. Throws a TypeError for an invalid name of a feed. */
export function logPath(feed: string | undefined): string {
  if (feed === undefined) return "/events";
  if (feed === "/operations") return feed;
  const [, name, version] = /^([^/]+)\/v([1-9]\d*)$/.exec(feed) ?? [];
  if (name === undefined || version === undefined)
    throw new TypeError(
      `The name of a feed includes its version, as in "declarations/v2", not ${JSON.stringify(feed)}`,
    );
  return `/feeds/${encodeURIComponent(name)}/v${version}`;
}

/** The path of a log, stream or subject. Throws a TypeError for a combination that names none. */
export function sourcePath({ stream, feed, subject }: ReadSource): string {
  if (stream !== undefined) {
    if (feed !== undefined) throw new TypeError("A feed has subjects, and no streams: state `subject`");
    return `/streams/${encodeURIComponent(stream)}`;
  }
  if (subject === undefined) return logPath(feed);
  if (feed === undefined) throw new TypeError("The event log has streams: state `stream`, or a `feed`");
  return `${logPath(feed)}/subjects/${encodeURIComponent(subject)}`;
}

type Parameter = string | number | undefined;

/** Builds a query string from the defined parameters; a list repeats its parameter. */
export function queryString(parameters: Readonly<Record<string, Parameter | readonly string[]>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value === undefined) continue;
    for (const item of typeof value === "object" ? value : [value]) query.append(name, String(item));
  }
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}

interface AnsweredPage {
  readonly events: readonly WireEvent[];
  /** The log had no more events when the server answered. */
  readonly isLast: boolean;
  readonly next: NextPage | null;
}

/**
 * Reads pages of events in order, one request each. Requests the next page while the caller works on the current one.
 */
export async function* readPages<Data>(
  deps: RequestDeps,
  options: ReadOptions,
): AsyncGenerator<KildeEvent<Data>[], void, undefined> {
  const { direction, types, streamPrefix, timeout, afterVersion, toVersion, asOf, signal } = options;
  const fixed = {
    timeout,
    direction,
    type: types,
    subjectPrefix: streamPrefix,
    afterVersion,
    toVersion,
    asOf: asOf instanceof Date ? asOf.toISOString() : asOf,
  };
  const pageLimit = createPageLimit();
  const pageSize = options.pageSize ?? PAGE_SIZE;
  let left = options.limit ?? Number.POSITIVE_INFINITY;

  const request = async (
    place: { readonly lastEventId?: string | number | undefined; readonly cacheKey?: string | undefined },
    most: number,
  ): Promise<AnsweredPage> => {
    const pathOf = (limit: number | undefined) =>
      sourcePath(options) + queryString({ ...fixed, ...place, limit });
    const init: Request = { serverWaitMs: timeout, ...(signal === undefined ? {} : { signal }) };
    const pageOf = async (response: Answer): Promise<AnsweredPage> => {
      const identity = response.headers.get("kilde-log");
      if (identity !== null) options.onLog?.(identity);
      const events = parsePage(await response.text(), sourcePath(options), deps.parseJson).slice(0, most);
      return { events, isLast: events.length === 0 || saysEnd(response), next: nextPageOf(response) };
    };
    const limit = options.pageSize === undefined && most >= PAGE_SIZE ? undefined : most;
    return pageLimit(limit, (asked) => sendRead(deps, pathOf(asked), init, pageOf, options));
  };

  const { lastEventId } = options;
  let next: Promise<AnsweredPage> | null =
    left > 0 ? request({ lastEventId }, Math.min(left, pageSize)) : null;
  while (next !== null) {
    const { events: page, isLast, next: linked } = await next;
    const last = page.at(-1);
    if (last === undefined) return;
    left -= page.length;
    const cursor = eventIdOf({ position: Number(last.id), identity: last.logidentity ?? null });
    const place = linked ?? { lastEventId: cursor };
    next = left > 0 && !isLast ? request(place, Math.min(left, pageSize)) : null;
    // A caller that stops early ignores the failure of the page requested in advance.
    next?.catch(() => {});
    yield page.map(eventOf<Data>);
  }
}
