import type { AppDeps } from "../deps.ts";
import {
  type Heads,
  isSameHeads,
  isSameMarks,
  type Marks,
  readHeads,
  readMarks,
  type SnapshotDeps,
  type StoreSnapshot,
} from "./snapshot.ts";

/** Time between two looks, in milliseconds: observers receive at most four messages a second. */
const LOOK_MS = 250;

/**
 * A look at everything besides heads is followed by none for a hundred times as long as it took with the calls of observers, so
 * that it uses one percent of the time of this process, however many consumers, subscriptions and observers there are.
 */
const USES = 100;

/** Observers are called again after so many times as long as their calls took: many use a tenth of the time. */
const CALL_USES = 9;

/** Time for which looks may fail, in milliseconds, until the observations end. */
const FAILING_MS = 3_000;

/** Is called with the state of a store; null: it could not be read for some seconds, and the observation has ended. */
type Observer = (snapshot: StoreSnapshot | null) => void;

/** Looks for changes of a store while somebody observes it. One timer serves all observers. */
export interface ChangeWatch {
  /**
   * Calls back with the store as it is now, and then whenever it has changed. Returns the function that ends that. A look that
   * fails changes nothing, and the next one follows, for at most some seconds.
   */
  observe(observer: Observer): () => void;
}

type WatchDeps = SnapshotDeps & Pick<AppDeps, "clock">;

function createChangeWatch(deps: WatchDeps): ChangeWatch {
  const { clock } = deps;
  const observers = new Set<Observer>();
  /** Null while nobody observes, and before the first look. */
  let last: StoreSnapshot | null = null;
  let looking: AbortController | null = null;

  /** Returns the last snapshot itself if nothing has changed. `marks`: null: they are not due. */
  const snapshotWith = (heads: Heads, marks: Marks | null): StoreSnapshot | null => {
    if (last === null) return marks === null ? null : { ...heads, ...marks };
    const hasMoved = !isSameHeads(last, heads);
    const isChanged = marks !== null && !isSameMarks(last, marks);
    return hasMoved || isChanged ? { ...last, ...heads, ...(isChanged ? marks : {}) } : last;
  };

  const lookWhile = async ({ signal }: AbortController) => {
    let marksDueMs = Number.NEGATIVE_INFINITY;
    let readMs = clock.monotonic();
    while (!signal.aborted) {
      let restMs = LOOK_MS;
      try {
        const beganMs = clock.monotonic();
        const marks = beganMs < marksDueMs ? null : await readMarks(deps);
        const next = snapshotWith(await readHeads(deps), marks);
        if (signal.aborted) return;
        const calledMs = clock.monotonic();
        readMs = calledMs;
        if (next !== null && next !== last) {
          last = next;
          // The set itself: an observer that ends another one while it is called leaves it out of this round.
          for (const observer of observers) observer(next);
        }
        const endedMs = clock.monotonic();
        restMs = Math.max(LOOK_MS, CALL_USES * (endedMs - calledMs));
        if (marks !== null) marksDueMs = endedMs + USES * (endedMs - beganMs);
      } catch {
        // A database that cannot be read now is read at the next look. If that lasts, observers would take silence for "no
        // change"; they learn the cause from the refusal of their next request.
        marksDueMs = Number.NEGATIVE_INFINITY;
        if (clock.monotonic() - readMs >= FAILING_MS) for (const observer of observers) observer(null);
      }
      await clock.sleep(restMs, signal);
    }
  };

  return {
    observe(observer) {
      observers.add(observer);
      if (last !== null) observer(last);
      if (looking === null) {
        looking = new AbortController();
        void lookWhile(looking);
      }
      return () => {
        observers.delete(observer);
        if (observers.size > 0) return;
        looking?.abort();
        looking = null;
        last = null;
      };
    },
  };
}

const WATCHES = new WeakMap<WatchDeps, ChangeWatch>();

/** Returns the watch that all observers of a store share. */
export function changeWatchOf(deps: WatchDeps): ChangeWatch {
  const watch = WATCHES.get(deps) ?? createChangeWatch(deps);
  WATCHES.set(deps, watch);
  return watch;
}
