import type { Clock } from "../core/clock.ts";
import { type Database, integerAt } from "./database.ts";
import type { LogAddress } from "./keys.ts";

/** A log whose head is looked up while somebody waits for what other processes append to it. */
export interface Watched {
  readonly log: LogAddress;
  /** Whether somebody waits now. */
  readonly isAwaited: () => boolean;
  /** Told of the head at each look. */
  readonly advance: (head: number) => void;
}

/** Looks up heads for all who wait in this thread: one query for each interval, whatever they wait for. */
export interface HeadWatch {
  /** Adds a log; call what it returns when somebody begins to wait. */
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

/** Argument: JSON `[log id, …]`. */
const SELECT_HEADS = "select id, head from logs where id in (select value from json_each(?1))";

export function createHeadWatch({ database, clock, pollIntervalMs }: HeadWatchDeps): HeadWatch {
  const watched = new Set<Watched>();
  const closed = new AbortController();
  let isLooking = false;

  const awaited = () => Array.from(watched).filter(({ isAwaited }) => isAwaited());

  const look = async () => {
    const logs = awaited();
    if (logs.length === 0) return;
    const ids = new Set(logs.map(({ log }) => log.id));
    const rows = await database.read({ sql: SELECT_HEADS, args: [JSON.stringify(Array.from(ids))] });
    const heads = new Map(rows.map((row) => [integerAt(row, 0), integerAt(row, 1)]));
    for (const { log, advance } of logs) advance(heads.get(log.id) ?? 0);
  };

  const lookOn = async () => {
    if (isLooking) return;
    isLooking = true;
    while (awaited().length > 0 && !closed.signal.aborted) {
      await clock.sleep(pollIntervalMs, closed.signal);
      // A database that cannot be read now is asked again at the next turn; readers meet the error themselves.
      await look().catch(() => {});
    }
    isLooking = false;
  };

  return {
    add(one) {
      watched.add(one);
      return () => void lookOn();
    },
    remove: (one) => watched.delete(one),
    close: () => closed.abort(),
  };
}
