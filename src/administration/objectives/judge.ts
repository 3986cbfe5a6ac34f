import { groupBy } from "../../core/group-by.ts";
import type { Measurement } from "../../core/objective.ts";
import { absentConsumer } from "./absent-consumer.ts";
import { type AlarmChange, type AlarmState, type Measure, MEASURES } from "./alarm-state.ts";
import type { StoredObjective } from "./stored-objectives.ts";

/**
 * A missed objective is met again at this part of its limit, so that a value that moves around the limit makes one alarm.
 */
const MET_AGAIN = 0.5;

/**
 * The state of something that is gone is kept for so long: a slow process may still compare it with an earlier measurement.
 */
const KEPT_SECONDS = 86_400;

/** The name of an alarm, by the value that exceeds its limit. */
const ALARMS = { lag: "late", silent: "silent" } as const;

/** The objectives of a store, their states and the measured values. */
export interface Observed {
  readonly nowMs: number;
  readonly objectives: readonly StoredObjective[];
  readonly states: readonly AlarmState[];
  /** By kind. Null: this process cannot measure things of this kind and name, so that their states stay. */
  readonly measurementsOf: (objective: StoredObjective) => readonly Measurement[] | null;
  /** Paths of the logs of retired feeds, which nobody can read any more. */
  readonly retiredLogs: ReadonlySet<string>;
}

/** The measurement of a consumer, also of one that its log does not have: never seen there, or forgotten. */
interface Judged extends Measurement {
  readonly isAbsent?: true;
}

const keyOf = ({ kind, name }: Pick<StoredObjective, "kind" | "name">) => `${kind} ${name}`;

const limitOf = (objective: StoredObjective, measure: Measure) =>
  measure === "lag" ? objective.lagSeconds : objective.silentSeconds;

function secondsSince(time: string, nowMs: number): number {
  return Math.max(0, nowMs - Date.parse(time)) / 1_000;
}

/** A measured value in seconds; undefined: unknown. */
function valueOf({ oldest, active }: Measurement, measure: Measure, nowMs: number): number | undefined {
  if (measure === "silent") return active === undefined ? undefined : secondsSince(active, nowMs);
  if (oldest === undefined) return undefined;
  return oldest === null ? 0 : secondsSince(oldest, nowMs);
}

/** The figures of the end of an alarm. */
interface EndFigures {
  readonly objectiveSeconds: number | null;
  readonly measuredSeconds: number | null;
}

const GONE: EndFigures = { objectiveSeconds: null, measuredSeconds: null };

/** The end of the state of something that is gone: the objective, its limit, or its resource. */
function endsOf(state: AlarmState, nowMs: number, figures = GONE): AlarmChange[] {
  const { kind, name, resource, measure, position: basis, contact, missed, since } = state;
  const key = { kind, name, resource, measure, basis, contact, stated: null };
  if (!missed)
    return secondsSince(since, nowMs) < KEPT_SECONDS ? [] : [{ ...key, missed: null, entry: null }];
  const data = { principal: null, from: ALARMS[measure], contact, ...figures };
  return [{ ...key, missed: false, entry: { type: `kilde.${kind}.recovered`, data } }];
}

/** The change of one state; null: it stays. */
function changeOf(
  { kind, name, contact, since: stated }: StoredObjective,
  state: AlarmState | undefined,
  { resource, active, isAbsent }: Judged,
  { measure, limit, value }: { readonly measure: Measure; readonly limit: number; readonly value: number },
): AlarmChange | null {
  const wasMissed = state?.missed === true;
  const missed = wasMissed ? value > limit * MET_AGAIN : value > limit;
  if (missed === wasMissed) return null;
  const alarm = ALARMS[measure];
  const figures = { contact, objectiveSeconds: limit, measuredSeconds: value };
  const seen = kind === "consumer" && measure === "silent" ? { seen: isAbsent ? null : active } : {};
  const entry = missed
    ? { type: `kilde.${kind}.${alarm}` as const, data: { principal: null, ...figures, ...seen } }
    : { type: `kilde.${kind}.recovered` as const, data: { principal: null, from: alarm, ...figures } };
  return { kind, name, resource, measure, missed, basis: state?.position ?? 0, contact, stated, entry };
}

/** When a consumer that was silent read again, it counts from that; a state that is missed stays so. Undefined: unknown. */
function absentSince(since: string, silence: AlarmState | undefined): string | undefined {
  if (silence === undefined) return since;
  if (silence.missed) return undefined;
  return silence.since > since ? silence.since : since;
}

/**
 * The measurements of an objective. A consumer that its log does not have, or that no log has, is silent since its objective
 * was stated, or since it was forgotten.
 */
function measurementsOf(
  objective: StoredObjective,
  measured: readonly Measurement[],
  states: readonly AlarmState[],
  retiredLogs: Observed["retiredLogs"],
): readonly Judged[] {
  const { kind, name, log, since } = objective;
  if (kind !== "consumer" || measured.length > 0) return measured;
  if (log !== null && retiredLogs.has(log)) return measured;
  const resource = log === null ? absentConsumer(name) : `${log}/consumers/${name}`;
  const silence = states.find((state) => state.measure === "silent" && state.resource === resource);
  return [{ name, resource, oldest: undefined, active: absentSince(since, silence), isAbsent: true }];
}

/** The figures of the end of an alarm whose resource was not measured: a consumer that no log had has read one. */
function endFigures(
  { name, silentSeconds }: StoredObjective,
  { resource }: AlarmState,
  measurements: readonly Judged[],
  nowMs: number,
): EndFigures {
  const found = measurements.filter(({ isAbsent }) => isAbsent !== true);
  const silences = found.flatMap((one) => valueOf(one, "silent", nowMs) ?? []);
  if (resource !== absentConsumer(name) || silentSeconds === null || silences.length === 0) return GONE;
  return { objectiveSeconds: silentSeconds, measuredSeconds: Math.min(...silences) };
}

/** Returns the changes of the states of one objective. */
function changesOf(
  objective: StoredObjective,
  states: readonly AlarmState[],
  measurements: readonly Judged[],
  nowMs: number,
): AlarmChange[] {
  const changes: AlarmChange[] = [];
  const kept = new Set<AlarmState>();
  for (const measurement of measurements) {
    for (const measure of MEASURES) {
      const limit = limitOf(objective, measure);
      // Nothing is known of the lag of an absent consumer.
      if (limit === null || (measurement.isAbsent && measure === "lag")) continue;
      const state = states.find((one) => one.resource === measurement.resource && one.measure === measure);
      if (state !== undefined) kept.add(state);
      const value = valueOf(measurement, measure, nowMs);
      const change =
        value === undefined ? null : changeOf(objective, state, measurement, { measure, limit, value });
      if (change !== null) changes.push(change);
    }
  }
  const gone = states.filter((state) => !kept.has(state));
  return [
    ...changes,
    ...gone.flatMap((state) => endsOf(state, nowMs, endFigures(objective, state, measurements, nowMs))),
  ];
}

/** Compares measured values with the objectives, and returns the changes of states, in order of objective. */
export function judge(observed: Observed): AlarmChange[] {
  const { nowMs, objectives, states, measurementsOf: measuredOf, retiredLogs } = observed;
  const statesOf = groupBy(states, keyOf);
  const stated = new Set(objectives.map(keyOf));
  const gone = states.filter((state) => !stated.has(keyOf(state)));
  return [
    ...gone.flatMap((state) => endsOf(state, nowMs)),
    ...objectives.flatMap((objective) => {
      const measured = measuredOf(objective);
      if (measured === null) return [];
      const own = statesOf.get(keyOf(objective)) ?? [];
      return changesOf(objective, own, measurementsOf(objective, measured, own, retiredLogs), nowMs);
    }),
  ];
}
