import { groupBy } from "../../core/group-by.ts";
import type { Statement } from "../../storage/database.ts";
import { BATCH_BYTES, createBatchSize, readBatch } from "../../storage/batch-size.ts";
import type { VersionRange } from "../../log/erase/generations.ts";
import {
  type ErasingStep,
  type ErasingWork,
  type ErasureReport,
  reportPlan,
  STEP_EVENTS,
  wipe,
  writeErasing,
} from "../erase/erasing-work.ts";
import { projectingUnder } from "../contract/contract.ts";
import type { Feed } from "../feed.ts";
import { promotion } from "../contract/published-contract.ts";
import { MOVE_ORIGINS, originStatements } from "../project/origins.ts";
import { type Assigned, failureAt, planBatch, type PlanFailure, projectRow } from "../project/plan.ts";
import { endRevisions, type Revision, type RevisionProgress, revisionsProgress } from "./revisions.ts";
import { contributionsRange, mergedContributionsRange, sourceBatch } from "../project/source.ts";
import type { SourceRow } from "../project/source-rows.ts";
import { type FeedSubject, readSubjectsWithPlaces, UNKNOWN_SUBJECT } from "../subjects.ts";

type StateOf = (subject: string) => FeedSubject;

/** Erases the next events of some subjects, and reports the subjects that it has finished. */
function eraseVersions(
  work: ErasingWork,
  revisions: readonly Revision[],
  stateOf: StateOf,
): Promise<ErasingStep> {
  const ranges: { readonly cause: Revision; readonly range: VersionRange }[] = [];
  const progress: RevisionProgress[] = [];
  const reports: ErasureReport[] = [];
  let left = STEP_EVENTS;
  for (const revision of revisions) {
    const { subject, subjectId, low, wiped } = revision;
    const state = stateOf(subject);
    const upTo = Math.min(state.version, wiped + left);
    if (upTo > wiped) ranges.push({ cause: revision, range: [subjectId, wiped + 1, upTo] });
    left -= upTo - wiped;
    const isDone = upTo === state.version;
    progress.push([subjectId, upTo, isDone ? state.reset : null]);
    if (isDone && upTo > low) reports.push({ cause: revision, subject, state, versions: [[low + 1, upTo]] });
    if (left === 0) break;
  }
  const erasing: Statement[] = [];
  for (const each of groupBy(ranges, ({ cause }) => cause.origin).values()) {
    const [first] = each;
    if (first === undefined) continue;
    const same = each.map(({ range }) => range);
    erasing.push(...wipe(work.registered.log, first.cause, same));
  }
  return writeErasing(work, reportPlan(reports), [...erasing, revisionsProgress(progress)]);
}

/** The next contributions of a subject that remain, and whether they are all. */
async function contributionsOf(
  { deps, registered: { source, merges } }: ErasingWork,
  { subjectId, folded }: Revision,
  most: number,
): Promise<{ readonly rows: readonly SourceRow[]; readonly isEnd: boolean }> {
  const after = folded ?? 0;
  const rangeOf = merges ? mergedContributionsRange : contributionsRange;
  const batch = sourceBatch(deps.database, source, most, (limit) =>
    rangeOf(source, { subjectId, after, limit }),
  );
  const { rows, limit } = await readBatch(createBatchSize(most), batch);
  return { rows, isEnd: rows.length < limit };
}

/** The result of folding some subjects so far. */
interface Folding {
  /** Events to be published again. */
  readonly assigned: Assigned[];
  /** The subjects as they are before these. */
  readonly known: Map<string, FeedSubject>;
  readonly progress: RevisionProgress[];
  readonly ended: number[];
}

/** Reads contributions of some subjects, and folds those that come before the first one that was erased. */
async function foldRevisions(
  work: ErasingWork,
  feed: Feed,
  revisions: readonly Revision[],
  stateOf: StateOf,
): Promise<Folding | PlanFailure> {
  const folding: Folding = { assigned: [], known: new Map(), progress: [], ended: [] };
  let [left, bytes] = [STEP_EVENTS, BATCH_BYTES];
  for (const revision of revisions) {
    if (left <= 0 || bytes <= 0) break;
    const { subject, subjectId, since, wiped } = revision;
    const { rows, isEnd } = await contributionsOf(work, revision, left);
    const before = stateOf(subject);
    let { state } = before;
    for (const row of rows) {
      if (row.place >= since) {
        folding.assigned.push({ row, subject });
        continue;
      }
      try {
        ({ state } = projectRow(feed, { row, subject }, state));
      } catch (error) {
        return failureAt(row, error);
      }
    }
    folding.known.set(subject, { ...before, state, projected: 0 });
    const last = rows.at(-1);
    if (isEnd || last === undefined) folding.ended.push(subjectId);
    else folding.progress.push([subjectId, wiped, last.place]);
    left -= rows.length;
    bytes -= rows.reduce((total, { characters }) => total + characters, 0);
  }
  return folding;
}

/** Folds contributions of some subjects again, and publishes those after the first that was erased. */
async function publishAgain(
  work: ErasingWork,
  revisions: readonly Revision[],
  stateOf: StateOf,
): Promise<ErasingStep> {
  const { log, source } = work.registered;
  const projecting = await projectingUnder(work.deps.database, work.registered, work.record);
  // Another release publishes the remaining events.
  if (projecting === null) return { kind: "idle" };
  const { feed, standing, revision } = projecting;
  const folding = await foldRevisions(work, feed, revisions, stateOf);
  if ("error" in folding) return { kind: "failed", failure: folding };
  const { assigned, known, progress, ended } = folding;
  const knownOf = (name: string) => known.get(name) ?? UNKNOWN_SUBJECT;
  const plan = planBatch(feed, { assigned, failure: null }, knownOf, { tracked: true });
  if (plan.failure !== null) return { kind: "failed", failure: plan.failure };
  const after = new Map(
    Array.from(known, ([name, before]) => {
      const { projected } = stateOf(name);
      return [name, { ...(plan.after.get(name) ?? before), projected }] as const;
    }),
  );
  return writeErasing(work, { ...plan, origins: [], after, kept: [...known.keys()], newSubjects: [] }, [
    ...(standing === "newer" && plan.events.length > 0
      ? [promotion(feed, log, revision, { raisesEpoch: false })]
      : []),
    ...originStatements(log, source, plan.origins, MOVE_ORIGINS),
    revisionsProgress(progress),
    endRevisions(ended),
  ]);
}

/** Erases the next events of subjects that are revised, or, when none are left, publishes the remaining events again. */
export async function revise(work: ErasingWork, revisions: readonly Revision[]): Promise<ErasingStep> {
  const [first] = revisions;
  if (first === undefined) return { kind: "idle" };
  const names = revisions.map(({ subject }) => subject);
  const states = await readSubjectsWithPlaces(work.deps.database, work.registered.log, names);
  const stateOf = (name: string) => states.get(name) ?? UNKNOWN_SUBJECT;
  const erasing = revisions.filter(({ folded }) => folded === null);
  if (erasing.length > 0) return eraseVersions(work, erasing, stateOf);
  return work.fold ? publishAgain(work, revisions, stateOf) : { kind: "idle" };
}
