import type { Clock } from "../core/clock.ts";
import { type Database, integerAt, textAt } from "./database.ts";
import type { LogAddress } from "./keys.ts";
import type { LogState } from "./log-state.ts";

/** A log whose head is looked up while somebody waits for what other processes append to it. */
export interface Watched {
  readonly log: LogAddress;
  /** Whether somebody waits now. */
  readonly isAwaited: () => boolean;
  /** Whether somebody waits for what is known to come. */
  readonly isDue: () => boolean;
  /** Receives the state that each look found, and returns whether it is news. */
  readonly advance: (state: LogState) => boolean;
}

/** Looks up heads for all who wait in this thread: one query for each interval, whatever they wait for. */
export interface HeadWatch {
  /** Adds a log; call what it returns when somebody begins to wait, or what is waited for becomes known to come. */
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
}

/** Before the next look while something is due, in milliseconds; doubled after each look that did not find it. */
const FIRST_DUE_MS = 2;

/** Argument: JSON `[log id, …]`. */
const SELECT_HEADS = "select id, head, identity from logs where id in (select value from json_each(?1))";

export function createHeadWatch({ database, clock, pollIntervalMs }: HeadWatchDeps): HeadWatch {
  const watched = new Set<Watched>();
  const closed = new AbortController();
  let isLooking = false;
  /** Ends the wait for the next look; null while none goes by that is as long as the interval. */
  let rest: AbortController | null = null;

  const awaited = () => Array.from(watched).filter(({ isAwaited }) => isAwaited());

  const isDue = () => Array.from(watched).some((one) => one.isDue());

  /** Gives whether something has come that was due. */
  const look = async (): Promise<boolean> => {
    const logs = awaited();
    if (logs.length === 0) return false;
    const ids = new Set(logs.map(({ log }) => log.id));
    const rows = await database.read({ sql: SELECT_HEADS, args: [JSON.stringify(Array.from(ids))] });
    const states = new Map(
      rows.map((row) => [integerAt(row, 0), { head: integerAt(row, 1), identity: textAt(row, 2) }]),
    );
    let found = false;
    for (const { log, isDue: wasDue, advance } of logs) {
      const due = wasDue();
      const state = states.get(log.id);
      found = (state !== undefined && advance(state) && due) || found;
    }
    return found;
  };

  /** Waits for the next look, and gives how long to wait for the one after it if that is due. */
  const pause = async (dueMs: number): Promise<number> => {
    if (isDue() && dueMs < pollIntervalMs) {
      await clock.sleep(dueMs, closed.signal);
      return 2 * dueMs;
    }
    rest = new AbortController();
    const { signal } = rest;
    await clock.sleep(pollIntervalMs, signal);
    rest = null;
    return signal.aborted ? FIRST_DUE_MS : dueMs;
  };

  const lookOn = async () => {
    if (isLooking) {
      if (isDue()) rest?.abort();
      return;
    }
    isLooking = true;
    let dueMs = FIRST_DUE_MS;
    while (awaited().length > 0 && !closed.signal.aborted) {
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
