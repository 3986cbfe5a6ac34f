import type { Clock } from "../../core/clock.ts";
import type { Database } from "../../storage/database.ts";
import { startMemoryRelease } from "../../storage/memory-release.ts";
import type { SubjectState } from "./placement.ts";
import { createSubjectCache, type SubjectCache } from "./subject-cache.ts";

/** Memory for the cached versions of streams: some 50,000 streams. */
const CACHE_BYTES = 12 * 1024 * 1024;

/** Events after which the cache may hold a megabyte. */
const RELEASE_EVENTS = 4_000;

/** Called after each release of memory that failed; the memory stays with the caches, which have a bound. */
export type OnReleaseFailure = (error: unknown) => void;

/** The streams that were appended to recently. */
export interface StreamCache {
  readonly cache: SubjectCache<SubjectState>;
  /** Counts events that were committed. */
  record(events: number): void;
  /** Resolves when no release follows. */
  close(): Promise<void>;
}

/**
 * A cache that is emptied when appends pause, with those of the database: a stream that is unknown again costs its next
 * append little. Without `onReleaseFailure` it is not emptied: a worker has no time between requests, and a command ends.
 */
export function createStreamCache(
  { embedded, release }: Pick<Database, "embedded" | "release">,
  clock: Clock,
  onReleaseFailure: OnReleaseFailure | undefined,
): StreamCache {
  const cache = createSubjectCache<SubjectState>(CACHE_BYTES, () => 0);
  const memory =
    embedded && onReleaseFailure !== undefined
      ? startMemoryRelease({
          release() {
            cache.clear();
            release?.();
          },
          worthwhile: RELEASE_EVENTS,
          clock,
          onFailure: onReleaseFailure,
        })
      : null;
  return {
    cache,
    record: (events) => memory?.record(events),
    close: async () => memory?.close(),
  };
}
