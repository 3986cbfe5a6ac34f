import { createBatchSize, readBatch } from "../log/batch-size.ts";
import { NOTHING_PUBLISHED } from "./commit.ts";
import {
  type ErasingStep,
  type ErasingWork,
  reportOf,
  STEP_EVENTS,
  wipe,
  writeErasing,
} from "./erasing-work.ts";
import { MOVE_ORIGINS, originStatements } from "./origins.ts";
import { failureAt, planBatch, projectRow } from "./plan.ts";
import { endRevision, type Revision, revisionProgress } from "./revisions.ts";
import { contributionsRange, sourceBatch } from "./source.ts";
import { type FeedSubject, readSubjectsWithPlaces, UNKNOWN_SUBJECT } from "./subjects.ts";

/** Folds the next contributions that remain, and publishes those after the first that was erased. */
async function foldAgain(work: ErasingWork, revision: Revision, before: FeedSubject): Promise<ErasingStep> {
  const { database } = work.deps;
  const { feed, log, source } = work.registered;
  const { subject, subjectId, since } = revision;
  const after = revision.folded ?? 0;
  const batch = sourceBatch(database, source, STEP_EVENTS, (most) =>
    contributionsRange(source, { subjectId, after, limit: most }),
  );
  const { rows, limit } = await readBatch(createBatchSize(STEP_EVENTS), batch);
  let { state } = before;
  const again = rows.filter(({ position }) => position >= since);
  for (const row of rows.slice(0, rows.length - again.length)) {
    try {
      ({ state } = projectRow(feed, { row, subject }, state));
    } catch (error) {
      return { kind: "failed", failure: failureAt(row, error) };
    }
  }
  const assigned = again.map((row) => ({ row, subject }));
  const known = { ...before, state, projected: 0 };
  const plan = planBatch(feed, { assigned, failure: null }, () => known, { tracked: true });
  if (plan.failure !== null) return { kind: "failed", failure: plan.failure };
  const now = { ...(plan.after.get(subject) ?? known), projected: before.projected };
  const last = rows.at(-1);
  const moved = originStatements(log, source, plan.origins, MOVE_ORIGINS);
  const progress =
    rows.length < limit || last === undefined
      ? endRevision(revision)
      : revisionProgress(revision, revision.wiped, last.position);
  return writeErasing(
    work,
    { ...plan, origins: [], after: new Map([[subject, now]]), kept: [subject], newSubjects: [] },
    [...moved, progress],
  );
}

/** Erases the next events of a subject that is revised, or, when none are left, publishes again what remains. */
export async function revise(work: ErasingWork, revision: Revision): Promise<ErasingStep> {
  const { log } = work.registered;
  const { subject, subjectId, low, wiped, folded } = revision;
  const states = await readSubjectsWithPlaces(work.deps.database, log, [subject]);
  const state = states.get(subject) ?? UNKNOWN_SUBJECT;
  if (folded !== null) return work.fold ? foldAgain(work, revision, state) : { kind: "idle" };
  const upTo = Math.min(state.version, wiped + STEP_EVENTS);
  const erasing = upTo > wiped ? wipe(log, revision, [[subjectId, wiped + 1, upTo]]) : [];
  if (upTo < state.version)
    return writeErasing(work, NOTHING_PUBLISHED, [...erasing, revisionProgress(revision, upTo, null)]);
  const report = new Map(
    state.version > low ? [[subject, { state, versions: [[low + 1, state.version] as const] }]] : [],
  );
  return writeErasing(work, reportOf(revision, report), [
    ...erasing,
    revisionProgress(revision, upTo, state.reset),
  ]);
}
