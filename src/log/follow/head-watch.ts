import type { Clock } from "../../core/clock.ts";
import type { Database } from "../../storage/database.ts";
import type { LogAddress } from "../keys.ts";
import { type ObservedLog, readLogStates } from "../log-state.ts";
import { createPauses, FIRST_DUE_MS } from "./pauses.ts";

/** A log whose head is looked up while followers wait for appends of other processes. */
export interface Watched {
  readonly log: LogAddress;
  /** Whether a follower waits now. */
  readonly isAwaited: () => boolean;
  /** Whether a follower waits for an event that is known to arrive. */
  readonly isDue: () => boolean;
  /** Receives the state that each look found, and returns whether it is new. */
  readonly advance: (state: ObservedLog) => boolean;
  /** Whether events are in memory, even without a follower: they are discarded when another process removes them. */
  readonly isHolding: () => boolean;
}

/** Looks up heads for all followers of this thread: one query for each interval, however many logs they follow. */
export interface HeadWatch {
  /**
   * Adds a log. Call the returned function when a follower begins to wait, when the event it waits for is known to arrive,
   * and when events are taken into memory.
   */
  add(watched: Watched): () => void;
  remove(watched: Watched): void;
  /** Ends looking. */
  close(): void;
}

export interface HeadWatchDeps {
  readonly database: Database;
  readonly clock: Clock;
  /** Between two looks, in milliseconds. */
  readonly pollIntervalMs: number;
  /**
   * Between two looks while no follower waits, for logs of which events are in memory, in milliseconds. Default: there are no
   * such looks, where memory lasts no longer than a request.
   */
  readonly idleIntervalMs?: number;
}

/** `idleIntervalMs` of a server. */
export const IDLE_INTERVAL_MS = 5_000;

export function createHeadWatch(deps: HeadWatchDeps): HeadWatch {
  const { database, clock, pollIntervalMs, idleIntervalMs } = deps;
  const watched = new Set<Watched>();
  let isLooking = false;

  const isAwaited = () => Array.from(watched).some((one) => one.isAwaited());

  const observed = () =>
    Array.from(watched).filter((one) => one.isAwaited() || (idleIntervalMs !== undefined && one.isHolding()));

  const isDue = () => Array.from(watched).some((one) => one.isDue());

  /** Returns whether a due event has arrived. */
  const look = async (): Promise<boolean> => {
    const logs = observed();
    if (logs.length === 0) return false;
    const states = await readLogStates(database, new Set(logs.map(({ log }) => log.id)));
    let found = false;
    for (const { log, isDue: wasDue, advance } of logs) {
      const due = wasDue();
      const state = states.get(log.id);
      found = (state !== undefined && advance(state) && due) || found;
    }
    return found;
  };

  const pauses = createPauses({ clock, pollIntervalMs, idleIntervalMs, isAwaited, isDue });

  const lookOn = async () => {
    if (isLooking) {
      pauses.cutShort();
      return;
    }
    isLooking = true;
    let dueMs = FIRST_DUE_MS;
    while (observed().length > 0 && !pauses.isClosed) {
      dueMs = await pauses.pause(dueMs);
      // A database that cannot be read now is read again at the next turn; readers receive the error from their own reads.
      if (await look().catch(() => false)) dueMs = FIRST_DUE_MS;
    }
    isLooking = false;
  };

  return {
    add(one) {
      watched.add(one);
      return () => void lookOn();
    },
    remove: (one) => watched.delete(one),
    close: () => pauses.close(),
  };
}
