import type { Clock } from "../../core/clock.ts";
import type { Job, JobOutcome } from "../../jobs/job.ts";
import { startLoop } from "../../jobs/loop.ts";
import type { LogReader } from "../../log/read/reader.ts";
import type { HasEnded } from "../../storage/lease.ts";
import type { RegisteredFeed } from "../lifecycle/register.ts";
import type { FeedDeps } from "./commit.ts";
import { createProjectionLease } from "./projection-lease.ts";
import { createProjector } from "./projector.ts";
import type { SourceGroup } from "./source-group.ts";
import { createStepSchedule, DRAFT_MS, type ProjectionParts, waitForEvents } from "./step-schedule.ts";

/** Delay before a projection whose storage failed is tried again, in milliseconds. */
const BACKOFF = { firstMs: 1_000, lastMs: 1_000 };

/**
 * Batches of a feed that are written at the same time: the thread that writes finds the next one when it has committed the
 * one before.
 */
const MOST_FLIGHTS = 2;

export interface RunDeps extends FeedDeps {
  readonly clock: Clock;
  readonly chance: () => number;
  /** Name of this process among those on the database. */
  readonly holder: string;
  /** Default: no holder is known to have ended, so that each lease lasts until it expires. */
  readonly hasEnded?: HasEnded;
  /** Reader of the feed's source; new events there wake the projection. */
  readonly source: LogReader;
  /** The feeds of the same source in this thread. */
  readonly group: SourceGroup;
  /** Called for each failure and halt, and for the progress and the end of a build. */
  readonly onEvent: (event: RunEvent) => void;
}

export type RunEvent =
  | { readonly kind: "live"; readonly feed: string }
  | {
      readonly kind: "building";
      readonly feed: string;
      readonly cursor: number;
      readonly head: number;
      readonly eventsPerSecond: number;
      readonly secondsLeft: number | null;
    }
  /** This process may publish, or project, less than another release has published. */
  | { readonly kind: "older" | "superseded"; readonly feed: string }
  | { readonly kind: "halted"; readonly feed: string; readonly position: number; readonly message: string }
  | { readonly kind: "failed"; readonly feed: string; readonly error: unknown };

/** A projection that runs in this process. */
export interface RunningProjection {
  /** Resolves when the batch in progress is stored and the lease is released. */
  close(): Promise<void>;
}

/** The steps of a feed's projection. */
function createProjectionJob(deps: RunDeps, parts: ProjectionParts, registered: RegisteredFeed): Job {
  const { projector, lease } = parts;
  const schedule = createStepSchedule(deps, parts, registered);
  let retry = true;
  const run = async (signal: AbortSignal): Promise<JobOutcome> => {
    let held = lease.held();
    if (held === null) {
      held = await lease.obtain(signal);
      // An event that failed in another process may succeed here.
      retry = true;
    }
    if (held === null) return "progressed";
    const flush = await schedule.isFlushDue();
    const step = await projector.step({ lease: held, retry, flush });
    if (step.kind !== "outdated" && step.kind !== "maintained") retry = false;
    return schedule.after(step, signal);
  };

  return {
    name: registered.feed.path,
    async run({ signal }) {
      try {
        return await run(signal);
      } catch (error) {
        lease.forget();
        throw error;
      }
    },
  };
}

/** Projects a feed until it is closed, whenever this process holds the lease. */
export function startProjection(deps: RunDeps, registered: RegisteredFeed): RunningProjection {
  const { clock, chance, onEvent } = deps;
  const { feed, contract } = registered;
  const idleMs = feed.draft ? DRAFT_MS : null;
  const lease = createProjectionLease(
    {
      ...deps,
      waitForEvents: (position, signal) => waitForEvents(deps, { position, ms: idleMs }, signal),
    },
    registered,
  );
  const { reads, gathering, writes } = deps.group;
  const projector = createProjector({ ...deps, reads, writes, mostFlights: MOST_FLIGHTS }, registered);
  if (contract.standing === "older") onEvent({ kind: "older", feed: feed.path });
  const loop = startLoop(createProjectionJob(deps, { projector, lease, gathering }, registered), {
    clock,
    chance,
    backoff: BACKOFF,
    onFailure: (error) => onEvent({ kind: "failed", feed: feed.path, error }),
  });
  const released = loop.ended.then(async () => {
    await projector.settle();
    await lease.release().catch(() => {});
  });
  return {
    async close() {
      await loop.close();
      await released;
    },
  };
}
