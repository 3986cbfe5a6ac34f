import type { Lease } from "../../storage/lease.ts";
import { NOTHING_PUBLISHED } from "./commit.ts";
import { eraseStep } from "../erase/erasing.ts";
import { failedToFold } from "../erase/erasing-work.ts";
import { removePlaces, subjectsWithPlaces } from "./places.ts";
import { forgetState, landWrites, type ProjectorState, recordedFailure } from "./projector-state.ts";
import { basisOf, type FeedRecord, readFeed } from "../record.ts";
import type { PlanFailure } from "./plan.ts";
import { statusEntries } from "./status-entries.ts";
import type { Step, StepOptions } from "./step.ts";
import { traceStep } from "../erase/tracing.ts";

/*
 * Steps of a projector that publish nothing new. Each writes a small batch; null: there is nothing to do.
 */

/** Subjects whose places one write puts back. */
const PLACED_SUBJECTS = 100;

/** A step is outdated when its write was; otherwise it has the duration of the write. */
function maintained(state: ProjectorState, tookMs: number | null): Step {
  forgetState(state);
  return tookMs === null ? { kind: "outdated" } : { kind: "maintained", writeMs: tookMs };
}

/** Halts a feed whose remaining events cannot be published again after an erasure. */
async function haltFolding(
  state: ProjectorState,
  record: FeedRecord,
  lease: Lease,
  planFailure: PlanFailure,
): Promise<Step> {
  const { log } = state.registered;
  const { clock } = state.deps;
  const failure = { ...recordedFailure(state, record, planFailure), folding: true };
  const halting = { ...basisOf(record), lease, cursor: null, status: "halted", rate: null } as const;
  const advance = { ...halting, failure: JSON.stringify(failure) };
  const committed = await state.commits.commit(advance, NOTHING_PUBLISHED, {
    recorded: statusEntries(log, { before: record.status, next: "halted", failure }, () => clock.now()),
  });
  forgetState(state);
  return committed === null ? { kind: "outdated" } : { kind: "halted", failure };
}

/** Applies the erasures of the source. */
export async function maintainErasures(
  state: ProjectorState,
  { lease, retry }: StepOptions,
): Promise<Step | null> {
  if (!(await landWrites(state))) return maintained(state, null);
  const { deps, registered } = state;
  const record = await readFeed(deps.database, registered.log);
  if (record === null) return { kind: "gone" };
  const fold = retry || !failedToFold(record);
  const step = await eraseStep({ deps, registered, record, lease, fold }, state.passed?.id);
  switch (step.kind) {
    case "passed":
      state.passed = step.range;
      return null;
    case "idle":
      return null;
    case "outdated":
      return maintained(state, null);
    case "progressed":
      return maintained(state, step.writeMs);
    case "failed":
      return haltFolding(state, record, lease, step.failure);
  }
}

/** Traces the origins of earlier events, in turns with the projecting of new ones. */
export async function maintainOrigins(state: ProjectorState, lease: Lease): Promise<Step> {
  if (!(await landWrites(state))) return maintained(state, null);
  const { deps, registered } = state;
  const record = await readFeed(deps.database, registered.log);
  if (record === null) return { kind: "gone" };
  const traced = await traceStep(deps, registered, record, lease);
  return maintained(state, traced === null ? null : traced.writeMs);
}

/** Puts back the remaining places that a feed keeps while it is built again. */
export async function maintainPlaces(state: ProjectorState, { lease }: StepOptions): Promise<Step | null> {
  const { deps, registered, commits } = state;
  const { log } = registered;
  const touched = await subjectsWithPlaces(deps.database, log, PLACED_SUBJECTS);
  if (touched.length === 0) return null;
  if (!(await landWrites(state))) return maintained(state, null);
  forgetState(state);
  const record = await readFeed(deps.database, log);
  if (record === null) return { kind: "gone" };
  const plan = await commits.plan([], { touched });
  const advance = { ...basisOf(record), lease, cursor: null, status: null, rate: null, failure: null };
  const committed = await commits.commit(advance, plan, { erasing: [removePlaces(log, touched)] });
  return maintained(state, committed === null ? null : committed.durationMs);
}
