import type { Cursor } from "../../core/cursor.ts";
import { type PositionRange, wholeChunks } from "../../log/erase/generations.ts";
import { EVENT_LOG_ADDRESS } from "../../log/keys.ts";
import type { PageAnswer } from "../../log/read/query.ts";
import type { LogReader } from "../../log/read/reader.ts";

/*
 * What HTTP caches may keep. They key by URL, so an answer is only kept where its URL changes with its content: the `next`
 * links of full pages carry a cache key, which names the erasure generation of the range that the next page lies in, and
 * the cursor beside it names the history of the log. Every other answer is validated at each use (`no-cache`), by an
 * entity tag that differs for each representation and after each erasure.
 */

const CACHE_KEY = /^(\d{1,15})-(\d{1,15})$/;

interface CacheKey {
  /** Far end of the range, in the direction of the page. */
  readonly bound: number;
  readonly generation: number;
}

/** Null for a text that is no cache key: the answer is then validated at each use. */
function parseCacheKey(text: string | undefined): CacheKey | null {
  const [, bound, generation] = CACHE_KEY.exec(text ?? "") ?? [];
  return bound === undefined ? null : { bound: Number(bound), generation: Number(generation) };
}

/** How a page was asked for, as far as caches are concerned. */
export interface PageRequest {
  readonly cursor: Cursor | undefined;
  readonly backwards: boolean;
  readonly cacheKey: string | undefined;
  /** A draft is built again under the same path, and its pages are not kept. */
  readonly isDraft: boolean;
}

/** Positions of the events of a page. */
function ownRange({ first, last }: PageAnswer): PositionRange {
  return { from: Math.min(first, last), through: Math.max(first, last) };
}

/** The range that a cache key is about: from the cursor to its bound. */
function keyRange({ bound }: CacheKey, { cursor, backwards }: PageRequest): PositionRange {
  const position = cursor?.position ?? 0;
  return backwards
    ? { from: bound, through: Math.max(bound, position - 1) }
    : { from: position + 1, through: Math.max(bound, position + 1) };
}

/**
 * The range that the next page is expected to lie in: twice the extent of this page, since a filter or removed events may
 * stretch it. A next page that reaches beyond is not kept.
 */
function nextRange({ first, last }: PageAnswer, { cursor, backwards }: PageRequest): PositionRange {
  const extent = Math.abs(last - (cursor?.position ?? first)) + 1;
  return wholeChunks(
    backwards
      ? { from: Math.max(0, last - 2 * extent), through: Math.max(0, last - 1) }
      : { from: last + 1, through: last + 2 * extent },
  );
}

/** Whether the range of a cache key has all events of a page. */
function covers({ bound }: CacheKey, { last }: PageAnswer, { backwards }: PageRequest): boolean {
  return backwards ? last >= bound : last <= bound;
}

export interface PageCaching {
  /** Part of the entity tag: differs when the same positions hold other events. */
  readonly generation: string;
  /** Whether caches may keep the answer without asking for it again. */
  readonly isKept: boolean;
  /** Cache key of the next page; undefined: it has none. */
  readonly nextKey: string | undefined;
}

/** For a page whose state is not known exactly: no copy of it is ever taken for the same. */
function unknownState(): PageCaching {
  return { generation: crypto.randomUUID(), isKept: false, nextKey: undefined };
}

/**
 * Decides how caches may treat a page that was read. Generations are looked up after it, and only count where nothing was
 * removed from the log in between: a copy from before an erasure is never marked as one from after it.
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
  // In the event log events are only removed, which shows in their number. In feeds they may be replaced in their places.
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
 * `Cache-Control` of a page. `private` for requests with credentials: a proxy may have let them through for who sent
 * them. A copy that is too old is not served even when Kilde cannot be asked.
 */
export function cacheControl(
  { isKept }: PageCaching,
  { isDraft }: PageRequest,
  headers: Headers,
  seconds: number,
): string {
  if (isDraft) return "no-store";
  if (!isKept || seconds === 0) return "no-cache";
  const audience = headers.has("authorization") || headers.has("cookie") ? "private" : "public";
  return `${audience}, max-age=${seconds}, must-revalidate`;
}
