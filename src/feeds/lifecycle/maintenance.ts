import type { Clock } from "../../core/clock.ts";
import type { ErasedRange } from "../../log/erase/erased-ranges.ts";
import type { Lease } from "../../storage/lease.ts";
import { type FeedCommits, type FeedDeps, NOTHING_PUBLISHED } from "../project/commit.ts";
import { eraseStep } from "../erase/erasing.ts";
import { failedToFold } from "../erase/erasing-work.ts";
import { removePlaces, subjectsWithPlaces } from "../project/places.ts";
import type { PlanFailure } from "../project/plan.ts";
import { basisOf, type ProjectionFailure, type FeedRecord, readFeed } from "../record.ts";
import type { RegisteredFeed } from "./register.ts";
import type { Step, StepOptions } from "../project/step.ts";
import { traceStep } from "../erase/tracing.ts";

/** Subjects whose places one write puts back. */
const PLACED_SUBJECTS = 100;

/** The state that a projector shares with its maintenance steps. */
export interface MaintenanceDeps {
  readonly deps: FeedDeps & { readonly clock: Clock };
  readonly registered: RegisteredFeed;
  readonly commits: FeedCommits;
  /** Waits for the batch that is being written; false when it was outdated. */
  readonly land: () => Promise<boolean>;
  readonly forget: () => void;
  readonly failureOf: (record: FeedRecord, failure: PlanFailure) => ProjectionFailure;
  /** The last erased range that the projector applies when it reaches the tombstone. */
  readonly passed: () => ErasedRange | null;
  readonly pass: (range: ErasedRange) => void;
}

/** Steps of a projector that publish nothing new. Each writes a small batch; null: there is nothing to do. */
export interface Maintenance {
  /** Applies the erasures of the source. */
  erase(options: StepOptions): Promise<Step | null>;
  /** Traces the origins of earlier events, in turns with the projecting of new ones. */
  trace(lease: Lease): Promise<Step>;
  /** Puts back the remaining places that a feed keeps while it is built again. */
  settlePlaces(options: StepOptions): Promise<Step | null>;
}

export function createMaintenance(shared: MaintenanceDeps): Maintenance {
  const { deps, registered, commits, land, forget, failureOf, passed, pass } = shared;
  const { database } = deps;
  const { log } = registered;

  /** A step is outdated when its write was; otherwise it has the duration of the write. */
  const maintained = (tookMs: number | null): Step => {
    forget();
    return tookMs === null ? { kind: "outdated" } : { kind: "maintained", writeMs: tookMs };
  };

  const erase = async ({ lease, retry }: StepOptions): Promise<Step | null> => {
    if (!(await land())) return maintained(null);
    const record = await readFeed(database, log);
    if (record === null) return { kind: "gone" };
    const fold = retry || !failedToFold(record);
    const step = await eraseStep({ deps, registered, record, lease, fold }, passed()?.id);
    switch (step.kind) {
      case "passed":
        pass(step.range);
        return null;
      case "idle":
        return null;
      case "outdated":
        return maintained(null);
      case "worked":
        return maintained(step.writeMs);
      case "failed": {
        const failure = { ...failureOf(record, step.failure), folding: true };
        const halting = {
          ...basisOf(record),
          lease,
          cursor: null,
          status: "halted",
          rate: null,
        } as const;
        const advance = { ...halting, failure: JSON.stringify(failure) };
        const committed = await commits.commit(advance, NOTHING_PUBLISHED);
        forget();
        return committed === null ? { kind: "outdated" } : { kind: "halted", failure };
      }
    }
  };

  const trace = async (lease: Lease): Promise<Step> => {
    if (!(await land())) return maintained(null);
    const record = await readFeed(database, log);
    if (record === null) return { kind: "gone" };
    const traced = await traceStep(deps, registered, record, lease);
    return maintained(traced === null ? null : traced.writeMs);
  };

  const settlePlaces = async ({ lease }: StepOptions): Promise<Step | null> => {
    const touched = await subjectsWithPlaces(database, log, PLACED_SUBJECTS);
    if (touched.length === 0) return null;
    if (!(await land())) return maintained(null);
    forget();
    const record = await readFeed(database, log);
    if (record === null) return { kind: "gone" };
    const plan = await commits.plan([], { touched });
    const advance = {
      ...basisOf(record),
      lease,
      cursor: null,
      status: null,
      rate: null,
      failure: null,
    };
    const committed = await commits.commit(advance, plan, { erasing: [removePlaces(log, touched)] });
    return maintained(committed === null ? null : committed.durationMs);
  };

  return { erase, trace, settlePlaces };
}
