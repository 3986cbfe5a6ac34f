import { FORGET_CONSUMER_FAILURES } from "../consumers/consumers.ts";
import type { Clock } from "../../core/clock.ts";
import { type Database, integerAt, type Row, textAt } from "../../storage/database.ts";
import { EVENT_LOG_ADDRESS } from "../keys.ts";
import { findErasedSnapshots } from "../read/snapshots.ts";
import { sweepStep } from "./truncate.ts";

/*
 * The sweep: deletes what was truncated and erased, and sees to it that nothing of what was erased is left in storage.
 * Its work is in the database (`subjects.sweep`, `erasures.sweep`), so that any process does it, also after a crash.
 */

/** Erasures that one round deals with. */
const ROUND_ERASURES = 500;

/** Between two readings of a whole file, which a round for erasures takes: so many times as long as that took, ... */
const REST_SHARE = 4;
/** ... and no longer than this. */
const LONGEST_REST_MS = 15_000;

const FIRST_BACKOFF_MS = 1_000;
const LONGEST_BACKOFF_MS = 15_000;

/** Erasures that storage may still have something of. Argument: count. */
export const PENDING_ERASURES = `
select log, position, subject, version, sweep from erasures indexed by erasures_sweep where sweep > 0
order by log, position limit ?1`;

/** Arguments: JSON `[[log id, position, sweep], …]`. A feed that projected the tombstone meanwhile raised `sweep`. */
const MARK_ERASURES_SWEPT = `
update erasures set sweep = 0 where (log, position, sweep) in
  (select value ->> 0, value ->> 1, value ->> 2 from json_each(?1))`;

interface PendingErasure {
  readonly log: number;
  readonly position: number;
  readonly subject: string;
  readonly version: number;
  readonly sweep: number;
}

function pendingOf(row: Row): PendingErasure {
  return {
    log: integerAt(row, 0),
    position: integerAt(row, 1),
    subject: textAt(row, 2),
    version: integerAt(row, 3),
    sweep: integerAt(row, 4),
  };
}

async function readPending(database: Database): Promise<PendingErasure[]> {
  return (await database.read({ sql: PENDING_ERASURES, args: [ROUND_ERASURES] })).map(pendingOf);
}

/** What is left for the sweep to do. */
export interface SweepBacklog {
  /** Erasures whose data may still be in storage. */
  readonly erasures: number;
  /** Recorded time of the earliest of them, RFC 3339; null: there are none. */
  readonly since: string | null;
}

/** Reads what is left to do, of all processes. */
export async function readSweepBacklog(database: Database): Promise<SweepBacklog> {
  const [row] = await database.read({
    sql: "select count(*), min(recorded) from erasures indexed by erasures_sweep where sweep > 0",
    args: [],
  });
  const since = row?.[1];
  return { erasures: integerAt(row, 0), since: typeof since === "string" ? since : null };
}

export interface SweepDeps {
  readonly database: Database;
  readonly clock: Clock;
  /** Runs work between the writes of others. */
  readonly between: <Result>(work: () => Promise<Result>) => Promise<Result>;
  /** Erases streams of the event log, each with a reason. */
  readonly eraseStreams: (names: readonly string[], reason: string) => Promise<void>;
  /** Ends the sweep after the step that is under way. */
  readonly signal: AbortSignal;
}

/**
 * Runs one round: deletes what is hidden, erases the snapshots of what was erased, and overwrites what is left in the
 * file. Erasures that come meanwhile are for the next round.
 * @returns whether there was something to do.
 */
export async function sweepRound(deps: SweepDeps): Promise<boolean> {
  const { database, clock, between, signal } = deps;
  // First, so that all that these erased is deleted when the file is scrubbed.
  const pending = await readPending(database);
  let worked = false;
  while (!signal.aborted && (await between(() => sweepStep(database)))) {
    worked = true;
    await clock.yield();
  }
  if (pending.length === 0 || signal.aborted) return worked;
  const ofStreams = pending.filter(({ log }) => log === EVENT_LOG_ADDRESS.id);
  const snapshots = await findErasedSnapshots(database, ofStreams);
  if (snapshots.length > 0) {
    await deps.eraseStreams(snapshots, "A snapshot of an erased stream");
    return true;
  }
  // Messages of handlers may quote the events that they failed at.
  await between(() => database.write([{ sql: FORGET_CONSUMER_FAILURES, args: [] }]));
  await database.purge?.({ clock, write: (statements) => between(() => database.write(statements)), signal });
  if (signal.aborted) return true;
  const swept = JSON.stringify(pending.map(({ log, position, sweep }) => [log, position, sweep]));
  await between(() => database.write([{ sql: MARK_ERASURES_SWEPT, args: [swept] }]));
  return true;
}

/** Why the sweep is not done: the last attempts failed. */
export interface SweepFailure {
  /** Attempts that failed, one after the other. */
  readonly attempts: number;
  /** When the first of them failed, RFC 3339. */
  readonly since: string;
  readonly error: string;
}

/** The sweep of a process. */
export interface Sweeper {
  /** Sweeps in the background, now. */
  readonly sweep: () => void;
  /** Sweeps what another process has left undone since the last call. To be called every few seconds. */
  readonly look: () => void;
  /** Null: the last attempt succeeded. */
  readonly failure: () => SweepFailure | null;
  /** Resolves when the step that is under way is done. */
  close(): Promise<void>;
}

export interface SweeperDeps extends Omit<SweepDeps, "signal"> {
  readonly onFailure: (failure: SweepFailure, error: unknown) => void;
}

/** Sweeps in the background: tries again what failed, after longer and longer waits, and shows that it failed. */
export function createSweeper(deps: SweeperDeps): Sweeper {
  const { database, clock } = deps;
  const closing = new AbortController();
  let running: Promise<void> | null = null;
  let again = false;
  let failure: SweepFailure | null = null;
  /** What was left when it was last looked, as text; "": nothing. */
  let left = "";

  const round = async (): Promise<boolean> => {
    const started = clock.monotonic();
    const worked = await sweepRound({ ...deps, signal: closing.signal });
    const restMs = Math.min(LONGEST_REST_MS, REST_SHARE * (clock.monotonic() - started));
    if (worked) await clock.sleep(restMs, closing.signal);
    return worked;
  };

  const failed = async (error: unknown) => {
    const { attempts = 0, since = new Date(clock.now()).toISOString() } = failure ?? {};
    failure = {
      attempts: attempts + 1,
      since,
      error: error instanceof Error ? error.message : String(error),
    };
    deps.onFailure(failure, error);
    await clock.sleep(Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** attempts), closing.signal);
  };

  const run = async () => {
    do {
      again = false;
      try {
        while ((await round()) && !closing.signal.aborted);
        failure = null;
      } catch (error) {
        await failed(error);
        again = true;
      }
    } while (again && !closing.signal.aborted);
    running = null;
  };

  const sweep = () => {
    again = true;
    if (!closing.signal.aborted) running ??= run();
  };

  const look = async () => {
    const pending = await readPending(database);
    const [hidden] = await database.read({
      sql: "select min(id), count(*) from subjects indexed by subjects_sweep where sweep = 1",
      args: [],
    });
    const now = pending.length === 0 && hidden?.[0] === null ? "" : JSON.stringify([pending, hidden]);
    // Who erased it is given the time to sweep it.
    if (now !== "" && now === left) sweep();
    left = now;
  };

  return {
    sweep,
    look() {
      // What cannot be read now fails in the sweep as well, which shows it and tries again.
      if (running === null && !closing.signal.aborted) look().catch(sweep);
    },
    failure: () => failure,
    async close() {
      closing.abort();
      await running;
    },
  };
}
