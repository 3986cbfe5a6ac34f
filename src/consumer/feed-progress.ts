import type { Cursor } from "../core/cursor.ts";
import type { Blocked } from "./blocked.ts";
import type { ConsumerDeps } from "./deps.ts";
import { type FeedPosition, type FeedStart, readFeedPosition } from "./feed-position.ts";
import type { Health } from "./health.ts";

const PAGE_OF_BLOCKED = 1_000;

/** A consumer's position in its feed, read from the store once. */
export interface FeedProgress {
  /** Null before it was read. */
  readonly current: FeedPosition | null;
  /** Where the consumer started; position 0: at the beginning, or not read yet. */
  since(): Cursor;
  /** Reads the position and the blocked subjects from the store, unless that is done. */
  prepared(): Promise<FeedPosition>;
  /** Replaces the position, after the feed was restored. */
  replace(position: FeedPosition): void;
}

export interface FeedProgressParts {
  readonly from: FeedStart;
  readonly blocked: Blocked;
  readonly health: Health;
}

export function createFeedProgress<Tx>(
  deps: ConsumerDeps<Tx>,
  { from, blocked, health }: FeedProgressParts,
): FeedProgress {
  const { store, key } = deps;
  let current: FeedPosition | null = null;
  let preparing: Promise<FeedPosition> | null = null;

  const prepare = async (): Promise<FeedPosition> => {
    await store.prepare();
    for (let after = ""; ;) {
      const page = await store.listSubjects(key, { status: "blocked" }, after, PAGE_OF_BLOCKED);
      blocked.learn(page);
      after = page.at(-1)?.subject ?? "";
      if (page.length < PAGE_OF_BLOCKED) break;
    }
    return readFeedPosition(deps, from);
  };

  return {
    get current() {
      return current;
    },
    since: () => ({ position: current?.since ?? 0, identity: current?.identity ?? null }),
    async prepared() {
      health.throwIfEnded();
      preparing ??= prepare();
      try {
        current ??= await preparing;
        return current;
      } catch (error) {
        preparing = null;
        throw error;
      }
    },
    replace(position) {
      current = position;
    },
  };
}
