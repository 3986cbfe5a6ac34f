import type { Clock } from "../../core/clock.ts";
import { groupBy } from "../../core/group-by.ts";
import type { Measurement, Objective, ObjectiveKind } from "../../core/objective.ts";
import type { Job } from "../../jobs/job.ts";
import { type BatchWriter, writeUnplanned } from "../../storage/batch-writer.ts";
import type { Database } from "../../storage/database.ts";
import { changeAlarms, readAlarmStates } from "./alarm-state.ts";
import { judge } from "./judge.ts";
import { isStored, readObjectives, replaceObjectives, type StoredObjective } from "./stored-objectives.ts";

/** Time between two looks at the objectives. */
const LOOK_MS = 5_000;

/** The same in a store without objectives: another process may state some, and then looks as well. */
const IDLE_MS = 60_000;

/** Changes in one batch. */
const MOST_CHANGES = 500;

/** Delays before a look that failed is repeated, in milliseconds. */
export const OBJECTIVES_BACKOFF = { firstMs: 1_000, lastMs: 60_000 };

/** Measures the things of a kind that have an objective, in one query. Those that do not exist are missing. */
export type MeasureObjectives = (objectives: readonly Objective[]) => Promise<readonly Measurement[]>;

export interface ObjectivesDeps {
  readonly database: Database;
  readonly writer: Pick<BatchWriter, "write">;
  readonly clock: Pick<Clock, "sleep">;
  /** The objectives of this process, which replace those of the store; null: it states none. */
  readonly stated: readonly Objective[] | null;
  readonly measure: Readonly<Record<ObjectiveKind, MeasureObjectives>>;
  /** Names that this process can measure; the states of others stay. */
  readonly canMeasure: (objective: Objective) => boolean;
  /** Returns those of the paths that are logs of retired feeds. */
  readonly retiredLogs: (paths: readonly string[]) => Promise<ReadonlySet<string>>;
  /** The time, on which processes agree; in milliseconds since 1970. */
  readonly nowMs: () => Promise<number>;
}

/** Replaces the objectives of the store by those that this process states. */
async function state({ database, writer, stated, nowMs }: ObjectivesDeps): Promise<void> {
  if (stated === null) return;
  const stored = await readObjectives(database);
  const now = new Date(await nowMs()).toISOString();
  if (!isStored(stated, stored, now)) await writeUnplanned(writer, replaceObjectives(stated, now));
}

async function measureAll(
  { measure, canMeasure }: ObjectivesDeps,
  objectives: readonly StoredObjective[],
): Promise<(objective: StoredObjective) => readonly Measurement[] | null> {
  const found = new Map<string, Measurement[]>();
  const measured = new Set<StoredObjective>(objectives.filter(canMeasure));
  for (const [kind, some] of groupBy([...measured], (objective) => objective.kind))
    for (const measurement of await measure[kind](some)) {
      const key = `${kind} ${measurement.name}`;
      const earlier = found.get(key);
      if (earlier === undefined) found.set(key, [measurement]);
      else earlier.push(measurement);
    }
  return (objective) =>
    measured.has(objective) ? (found.get(`${objective.kind} ${objective.name}`) ?? []) : null;
}

/** Looks at all objectives once; returns whether there are any. */
async function look(deps: ObjectivesDeps, signal: AbortSignal): Promise<boolean> {
  const { database, writer } = deps;
  // Before the values: a state that is still the same in the write was the same when they were measured.
  const states = await readAlarmStates(database);
  const objectives = await readObjectives(database);
  if (objectives.length === 0 && states.length === 0) return false;
  /*
   * After the states, each of which began before this time, and before the values: a process that stands still in between
   * finds them younger than they are now, and never older. An alarm may come a look later then, but is never a false one.
   */
  const nowMs = await deps.nowMs();
  const measurementsOf = await measureAll(deps, objectives);
  const retiredLogs = await deps.retiredLogs(objectives.flatMap(({ log }) => log ?? []));
  const changes = judge({ nowMs, objectives, states, measurementsOf, retiredLogs });
  for (let first = 0; first < changes.length && !signal.aborted; first += MOST_CHANGES) {
    const part = changes.slice(first, first + MOST_CHANGES);
    await writeUnplanned(writer, changeAlarms(part, new Date(nowMs).toISOString()));
  }
  return true;
}

/**
 * Compares the store with its objectives, and records alarms in the log of administration. Any number of processes may do so at
 * once.
 */
export function objectivesJob(deps: ObjectivesDeps): Job {
  let isStated = false;
  return {
    name: "check objectives",
    async run({ signal }) {
      if (!isStated) await state(deps);
      isStated = true;
      const hasObjectives = await look(deps, signal);
      return { until: (until) => deps.clock.sleep(hasObjectives ? LOOK_MS : IDLE_MS, until) };
    },
  };
}
