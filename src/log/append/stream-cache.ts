import type { Clock } from "../../core/clock.ts";
import type { Database } from "../../storage/database.ts";
import { startMemoryRelease } from "../../storage/memory-release.ts";
import type { SubjectState } from "./placement.ts";
import { createSubjectCache, type SubjectCache } from "./subject-cache.ts";

/** Memory for the cached versions of streams: some 50,000 streams. */
const CACHE_BYTES = 12 * 1024 * 1024;

/** Events after which the cache may hold a megabyte. */
const RELEASE_EVENTS = 4_000;

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
 * append little. A worker has no time between requests, and keeps its cache.
 */
export function createStreamCache(
  { embedded, release }: Pick<Database, "embedded" | "release">,
  clock: Clock,
): StreamCache {
  const cache = createSubjectCache<SubjectState>(CACHE_BYTES, () => 0);
  const memory = embedded
    ? startMemoryRelease({
        release() {
          cache.clear();
          release?.();
        },
        worthwhile: RELEASE_EVENTS,
        clock,
        // The caches have a bound, and the release is tried again. A database with a writer thread reports its failures.
        onFailure() {},
      })
    : null;
  return {
    cache,
    record: (events) => memory?.record(events),
    close: async () => memory?.close(),
  };
}
