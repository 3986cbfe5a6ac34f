import type { Clock } from "../../core/clock.ts";
import type { Database } from "../../storage/database.ts";
import type { LogAddress } from "../keys.ts";
import { type ObservedLog, readLogStates } from "../log-state.ts";

/** A log whose head is looked up while somebody waits for what other processes append to it. */
export interface Watched {
  readonly log: LogAddress;
  /** Whether somebody waits now. */
  readonly isAwaited: () => boolean;
  /** Whether somebody waits for what is known to come. */
  readonly isDue: () => boolean;
  /** Receives the state that each look found, and returns whether it is news. */
  readonly advance: (state: ObservedLog) => boolean;
  /** Whether events are in memory, though nobody may be waiting: they have to go when another process removes them. */
  readonly isHolding: () => boolean;
}

/** Looks up heads for all who wait in this thread: one query for each interval, whatever they wait for. */
export interface HeadWatch {
  /**
   * Adds a log. Call what it returns when somebody begins to wait, when what is waited for becomes known to come, and when
   * events are taken into memory.
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
   * Between two looks while nobody waits, for logs of which events are in memory, in milliseconds. Default: there are no
   * such looks, where memory lasts no longer than a request.
   */
  readonly idleIntervalMs?: number;
}

/** `idleIntervalMs` of a server. */
export const IDLE_INTERVAL_MS = 5_000;

/** Before the next look while something is due, in milliseconds; doubled after each look that did not find it. */
const FIRST_DUE_MS = 2;

export function createHeadWatch(deps: HeadWatchDeps): HeadWatch {
  const { database, clock, pollIntervalMs, idleIntervalMs } = deps;
  const watched = new Set<Watched>();
  const closed = new AbortController();
  let isLooking = false;
  /** Ends the wait for the next look; null while none goes by that is as long as the interval. */
  let rest: AbortController | null = null;
  /** That wait is the longer one, since nobody waited when it began. */
  let isIdle = false;

  const isAwaited = () => Array.from(watched).some((one) => one.isAwaited());

  const observed = () =>
    Array.from(watched).filter((one) => one.isAwaited() || (idleIntervalMs !== undefined && one.isHolding()));

  const isDue = () => Array.from(watched).some((one) => one.isDue());

  /** Gives whether something has come that was due. */
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

  /** Waits, unless it is called off; gives whether it was. */
  const restFor = async (ms: number): Promise<boolean> => {
    rest = new AbortController();
    const { signal } = rest;
    await clock.sleep(ms, signal);
    rest = null;
    return signal.aborted;
  };

  /** Waits for the next look, and gives how long to wait for the one after it if that is due. */
  const pause = async (dueMs: number): Promise<number> => {
    if (isDue() && dueMs < pollIntervalMs) {
      await clock.sleep(dueMs, closed.signal);
      return 2 * dueMs;
    }
    const began = clock.monotonic();
    isIdle = idleIntervalMs !== undefined && !isAwaited();
    let calledOff = await restFor(isIdle ? Math.max(pollIntervalMs, idleIntervalMs ?? 0) : pollIntervalMs);
    if (isIdle && calledOff && !isDue()) {
      // Somebody waits again: looks are an interval apart also then, or each event would cost two.
      isIdle = false;
      calledOff = await restFor(Math.max(0, pollIntervalMs - (clock.monotonic() - began)));
    }
    isIdle = false;
    return calledOff ? FIRST_DUE_MS : dueMs;
  };

  const lookOn = async () => {
    if (isLooking) {
      if (isDue() || (isIdle && isAwaited())) rest?.abort();
      return;
    }
    isLooking = true;
    let dueMs = FIRST_DUE_MS;
    while (observed().length > 0 && !closed.signal.aborted) {
      dueMs = await pause(dueMs);
      // A database that cannot be read now is asked again at the next turn; readers meet the error themselves.
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
    close() {
      closed.abort();
      rest?.abort();
    },
  };
}
