import { projectingUnder } from "../contract/contract.ts";
import { maintainErasures, maintainOrigins, maintainPlaces } from "./maintenance.ts";
import type { RegisteredFeed } from "../lifecycle/register.ts";
import { type FeedRecord, readFeed } from "../record.ts";
import { isProvable, isWriteDue, launchBatch, passBatch, planNextBatch, stepOf } from "./projector-batch.ts";
import {
  createProjectorState,
  forgetState,
  awaitTurn,
  landWrites,
  type ProjectorDeps,
  type ProjectorState,
  recordOf,
} from "./projector-state.ts";
import { isReadable } from "./source.ts";
import { readSourceState, type SourceState } from "./source-state.ts";
import type { Step, StepOptions } from "./step.ts";

/** Projects one feed, a batch at a time. It may be dropped between any two writes. */
export interface Projector {
  /** Reads and plans a batch while those before are being written, and then has it written. */
  step(options: StepOptions): Promise<Step>;
  /** Resolves when nothing is being written. */
  settle(): Promise<void>;
  forget(): void;
}

/** Ends a step on a state that others have changed. */
async function forgetting(state: ProjectorState, step: Step): Promise<Step> {
  await landWrites(state);
  forgetState(state);
  return step;
}

/** The source, with the erasures that were not applied to the record. */
async function readSource(state: ProjectorState, record: FeedRecord): Promise<SourceState> {
  const { deps, registered } = state;
  // A halted feed does not reach the tombstones that were to erase the ranges.
  if (record.status !== "live") state.passed = null;
  const erased = Math.max(record.erased, state.passed?.id ?? 0);
  return readSourceState(deps.database, registered, { erased }, state.reads.stateReadBy(registered));
}

/** A source that is built again together with the feed is emptied first. */
async function isSourceEmptied({ deps, registered }: ProjectorState): Promise<boolean> {
  const { upstream, source } = registered;
  return upstream !== null && (await readFeed(deps.database, source))?.status === "rebuilding";
}

/** The step that comes before the next batch, if there is one. */
async function stepBeforeBatch(
  state: ProjectorState,
  record: FeedRecord,
  options: StepOptions,
  source: SourceState,
): Promise<Step | null> {
  const { deps, registered } = state;
  const isKnownSource = source.identity === state.sourceIdentity || state.sourceIdentity === "";
  // The known positions belong to another history.
  if (!isKnownSource) return forgetting(state, { kind: "outdated" });
  state.sourceIdentity = source.identity;
  if (record.cursor === 0 && (await isSourceEmptied(state)))
    return forgetting(state, { kind: "caught-up", position: source.head, unwritten: false, pending: true });
  if (source.erasing) {
    const step = await maintainErasures(state, options);
    if (step !== null) return step;
  }
  const isUntraced = registered.tracked && record.traced !== null;
  state.tracing = isUntraced && !state.tracing;
  if (state.tracing) return maintainOrigins(state, options.lease);
  // The failure may quote an event that was erased since.
  if (record.status === "halted" && record.failure !== null && !options.retry) {
    if (await isReadable(deps.database, registered.source, record.failure.position))
      return isUntraced ? maintainOrigins(state, options.lease) : { kind: "halted", failure: record.failure };
  }
  if (!state.settling) return null;
  const step = await maintainPlaces(state, options);
  if (step === null) state.settling = false;
  return step;
}

async function stepFrom(state: ProjectorState, record: FeedRecord, options: StepOptions): Promise<Step> {
  const { deps, registered } = state;
  const startedMs = deps.clock.monotonic();
  const source = await readSource(state, record);
  const before = await stepBeforeBatch(state, record, options, source);
  if (before !== null) return before;
  const projecting = await projectingUnder(deps.database, registered, record);
  if (projecting === null) return forgetting(state, { kind: "superseded" });
  const batch = await planNextBatch(state, { record, projecting, startedMs }, source);
  if (!(await awaitTurn(state, source.head))) return forgetting(state, { kind: "outdated" });
  if (!isWriteDue(state, batch, options)) {
    // The next step may wait for events, so this one looks whether the batches before were stored.
    if (!(await landWrites(state))) return forgetting(state, { kind: "outdated" });
    const isUntraced = registered.tracked && record.traced !== null;
    if (batch.cursor >= batch.head && isUntraced) return maintainOrigins(state, options.lease);
    return passBatch(state, batch);
  }
  launchBatch(state, batch, options);
  if (!isProvable(batch) && !(await landWrites(state))) return forgetting(state, { kind: "outdated" });
  return stepOf(state, batch);
}

export function createProjector(deps: ProjectorDeps, registered: RegisteredFeed): Projector {
  const state = createProjectorState(deps, registered);
  return {
    forget: () => forgetState(state),
    async settle() {
      await Promise.all(state.flights);
    },
    async step(options) {
      try {
        const record = await recordOf(state);
        if (record === null || record.status === "retiring") return { kind: "gone" };
        if (record.status === "rebuilding") return { kind: "emptied" };
        return await stepFrom(state, record, options);
      } catch (error) {
        // The outcome of the write is unknown.
        forgetState(state);
        throw error;
      }
    },
  };
}
