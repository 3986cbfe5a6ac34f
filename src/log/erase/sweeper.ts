import { FORGET_CONSUMER_FAILURES } from "../consumers/consumers.ts";
import type { Clock } from "../../core/clock.ts";
import { type Database, integerAt, type Row, textAt } from "../../storage/database.ts";
import { EVENT_LOG_ADDRESS } from "../keys.ts";
import type { Job } from "../../jobs/job.ts";
import { findErasedSnapshots } from "../read/snapshots.ts";
import { sweepStep } from "./truncate.ts";

/*
 * The sweep: deletes truncated and erased events, and removes all erased data from storage.
 * Its work is in the database (`subjects.sweep`, `erasures.sweep`), so that any process does it, also after a crash.
 */

/** Erasures that one round sweeps. */
const ROUND_ERASURES = 500;

/** A round for erasures reads the whole file. The pause after it: so many times as long as the read took, ... */
const REST_SHARE = 4;
/** ... and at most this. */
const LONGEST_REST_MS = 15_000;

/** Delays before a sweep that failed is tried again, in milliseconds. */
export const SWEEP_BACKOFF = { firstMs: 1_000, lastMs: 15_000 };

/** How often a server looks for hidden events that an ended process has not swept. */
const LEFTOVER_LOOK_MS = 10_000;

/** Erasures whose data may still be in storage. Argument: count. */
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

/** The remaining work of the sweep. */
export interface SweepBacklog {
  /** Erasures whose data may still be in storage. */
  readonly erasures: number;
  /** Recorded time of the earliest of them, RFC 3339; null: there are none. */
  readonly since: string | null;
}

/** Reads the remaining work of all processes. */
export async function readSweepBacklog(database: Database): Promise<SweepBacklog> {
  const [row] = await database.read({
    sql: "select count(*), min(recorded) from erasures indexed by erasures_sweep where sweep > 0",
    args: [],
  });
  const since = row?.[1];
  return { erasures: integerAt(row, 0), since: typeof since === "string" ? since : null };
}

/** The writes of a sweep, in order with those of requests. */
export interface SweepWriter {
  /** Runs work between two commits of the log. */
  exclusively<Result>(work: () => Promise<Result>): Promise<Result>;
  /** Erases streams of the event log, each with the reason. */
  eraseStreams(names: readonly string[], reason: string): Promise<void>;
}

export interface SweepDeps {
  readonly database: Database;
  readonly writer: SweepWriter;
  readonly clock: Clock;
}

/**
 * Runs one round: deletes hidden events, erases the snapshots of erased streams, and overwrites the freed parts of the
 * file. Erasures that arrive meanwhile wait for the next round.
 * @returns whether there was something to do.
 */
export async function sweepRound(
  { database, writer, clock }: SweepDeps,
  signal: AbortSignal,
): Promise<boolean> {
  // First, so that the scrub of the file finds all events of these erasures deleted.
  const pending = await readPending(database);
  let hasSwept = false;
  while (!signal.aborted && (await writer.exclusively(() => sweepStep(database)))) {
    hasSwept = true;
    await clock.yield();
  }
  if (pending.length === 0 || signal.aborted) return hasSwept;
  const ofStreams = pending.filter(({ log }) => log === EVENT_LOG_ADDRESS.id);
  const snapshots = await findErasedSnapshots(database, ofStreams);
  if (snapshots.length > 0) {
    await writer.eraseStreams(snapshots, "A snapshot of an erased stream");
    return true;
  }
  // Messages of handlers may quote the events that they failed at.
  await writer.exclusively(() => database.write([{ sql: FORGET_CONSUMER_FAILURES, args: [] }]));
  await database.purge?.({
    clock,
    write: (statements) => writer.exclusively(() => database.write(statements)),
    signal,
  });
  if (signal.aborted) return true;
  const swept = JSON.stringify(pending.map(({ log, position, sweep }) => [log, position, sweep]));
  await writer.exclusively(() => database.write([{ sql: MARK_ERASURES_SWEPT, args: [swept] }]));
  return true;
}

/** Deletes truncated and erased events: one round, or as many as the slice has time for, with rests between them. */
export function sweepJob(deps: SweepDeps): Job {
  const { clock } = deps;
  return {
    name: "sweep",
    async run({ deadline, signal }) {
      for (;;) {
        const started = clock.monotonic();
        const hasSwept = await sweepRound(deps, signal);
        const ended = clock.monotonic();
        if (!hasSwept || signal.aborted) return "idle";
        if (ended >= deadline) return { restMs: Math.min(LONGEST_REST_MS, REST_SHARE * (ended - started)) };
      }
    },
  };
}

/** Wakes the sweep for work that no process has done between two looks: the process that erased has the time to sweep. */
export function leftoverJob(database: Database, clock: Clock, wakeSweep: () => void): Job {
  /** The work that the previous look found, as text; "": none. */
  let before = "";
  return {
    name: "sweep-leftovers",
    async run() {
      const pending = await readPending(database);
      const [hidden] = await database.read({
        sql: "select min(id), count(*) from subjects indexed by subjects_sweep where sweep = 1",
        args: [],
      });
      const found = pending.length === 0 && hidden?.[0] === null ? "" : JSON.stringify([pending, hidden]);
      if (found !== "" && found === before) wakeSweep();
      before = found;
      return { until: (signal) => clock.sleep(LEFTOVER_LOOK_MS, signal) };
    },
  };
}
