import type { Cursor } from "../../core/cursor.ts";
import { type PositionRange, wholeChunks } from "../../log/erase/generations.ts";
import { EVENT_LOG_ADDRESS } from "../../log/keys.ts";
import type { PageAnswer } from "../../log/read/query.ts";
import type { LogReader } from "../../log/read/reader.ts";

/**
 * Decides which answers HTTP caches may keep. Caches key by URL, so they may keep an answer only if its URL changes
 * with its content: the `next` links of full pages have a cache key, which names the erasure generation of the next
 * page's range, and a cursor, which names the identity of the log. Caches validate every other answer at each use
 * (`no-cache`), by an entity tag that differs for each representation and after each erasure.
 */

const CACHE_KEY = /^(\d{1,15})-(\d{1,15})$/;

interface CacheKey {
  /** Far end of the range, in the direction of the page. */
  readonly bound: number;
  readonly generation: number;
}

/** Returns null for an invalid cache key; caches then validate the answer at each use. */
function parseCacheKey(text: string | undefined): CacheKey | null {
  const [, bound, generation] = CACHE_KEY.exec(text ?? "") ?? [];
  return bound === undefined ? null : { bound: Number(bound), generation: Number(generation) };
}

/** The parts of a page's request that caching depends on. */
export interface PageRequest {
  readonly cursor: Cursor | undefined;
  readonly backwards: boolean;
  readonly cacheKey: string | undefined;
  /** A draft may be built again under the same path, so no cache may keep its pages. */
  readonly isDraft: boolean;
  /** Everyone may read the log, so the page is the same for every sender. */
  readonly isPublic: boolean;
}

/** Returns the range of positions that a page covers. */
function ownRange({ first, last }: PageAnswer): PositionRange {
  return { from: Math.min(first, last), through: Math.max(first, last) };
}

/** Returns the range of a cache key: from the cursor to its bound. */
function keyRange({ bound }: CacheKey, { cursor, backwards }: PageRequest): PositionRange {
  const position = cursor?.position ?? 0;
  return backwards
    ? { from: bound, through: Math.max(bound, position - 1) }
    : { from: position + 1, through: Math.max(bound, position + 1) };
}

/**
 * Estimates the range of the next page: twice the extent of this page, since a filter or removed events may stretch
 * it. Caches do not keep a next page that reaches beyond.
 */
function nextRange({ first, last }: PageAnswer, { cursor, backwards }: PageRequest): PositionRange {
  const extent = Math.abs(last - (cursor?.position ?? first)) + 1;
  return wholeChunks(
    backwards
      ? { from: Math.max(0, last - 2 * extent), through: Math.max(0, last - 1) }
      : { from: last + 1, through: last + 2 * extent },
  );
}

/** Whether the range of a cache key contains all events of a page. */
function covers({ bound }: CacheKey, { last }: PageAnswer, { backwards }: PageRequest): boolean {
  return backwards ? last >= bound : last <= bound;
}

export interface PageCaching {
  /** Part of the entity tag: changes when the same positions hold other events. */
  readonly generation: string;
  /** Whether caches may serve the answer without validating it. */
  readonly isKept: boolean;
  /** Cache key of the next page; undefined: the next page has none. */
  readonly nextKey: string | undefined;
}

/** For a page whose exact state is unknown: its random tag matches no other copy. */
function unknownState(): PageCaching {
  return { generation: crypto.randomUUID(), isKept: false, nextKey: undefined };
}

/**
 * Decides how caches may treat a page that was read. It looks up generations after the page, and trusts them only if
 * nothing was removed from the log in between: a copy from before an erasure never gets the tag of a later one.
 */
export async function pageCaching(
  log: LogReader,
  page: PageAnswer,
  request: PageRequest,
): Promise<PageCaching> {
  const { backwards, cursor, isDraft } = request;
  if (page.removals === null) return unknownState();
  const key = parseCacheKey(request.cacheKey);
  const next = page.full && !isDraft ? nextRange(page, request) : null;
  // The event log only removes events, so the count shows a removal. Feeds may replace events in their places.
  const own = page.count > 0 && log.address.id !== EVENT_LOG_ADDRESS.id ? ownRange(page) : null;
  const asked = key !== null && page.full ? keyRange(key, request) : null;
  const ranges = [own, asked, next].flatMap((range) => range ?? []);
  const generations = new Map<PositionRange, number>();
  if (page.removals > 0 && ranges.length > 0) {
    const found = await log.generations(ranges);
    if (found.removals !== page.removals) return unknownState();
    for (const [index, range] of ranges.entries()) generations.set(range, found.generations[index] ?? 0);
  }
  const generationOf = (range: PositionRange | null) => (range === null ? 0 : (generations.get(range) ?? 0));
  const isKept =
    key !== null &&
    asked !== null &&
    !isDraft &&
    cursor?.identity === page.identity &&
    key.generation === generationOf(asked) &&
    covers(key, page, request);
  return {
    generation: String(generationOf(own)),
    isKept,
    nextKey: next === null ? undefined : `${backwards ? next.from : next.through}-${generationOf(next)}`,
  };
}

/**
 * Returns `Cache-Control` of a page. Shared caches may keep the pages of public feeds and of open stores; but no answer to a
 * request with credentials, since a proxy in front of an open store may have authorized their sender alone.
 * `must-revalidate` keeps caches from serving a stale copy when Kilde is unreachable.
 */
export function cacheControl(
  { isKept }: PageCaching,
  { isDraft, isPublic }: PageRequest,
  { headers, isOpen }: { readonly headers: Headers; readonly isOpen: boolean },
  seconds: number,
): string {
  if (isDraft) return "no-store";
  if (!isKept || seconds === 0) return "no-cache";
  const isForAll = isPublic || (isOpen && !headers.has("authorization") && !headers.has("cookie"));
  const scope = isForAll ? "public" : "private";
  return `${scope}, max-age=${seconds}, must-revalidate`;
}
