import type { Clock } from "../../core/clock.ts";
import type { Job, JobOutcome } from "../../jobs/job.ts";
import { startLoop } from "../../jobs/loop.ts";
import type { LogReader } from "../../log/read/reader.ts";
import type { HasEnded } from "../../storage/lease.ts";
import type { RegisteredFeed } from "../lifecycle/register.ts";
import { readFeed } from "../record.ts";
import { createAppendLoad } from "./append-load.ts";
import type { FeedDeps } from "./commit.ts";
import { createProjectionLease, type ProjectionLease } from "./projection-lease.ts";
import { createProjector, type Projector } from "./projector.ts";
import type { Step } from "./step.ts";

/** Longest time that the stored cursor lags while no event is published. */
const FLUSH_MS = 250;

/** How often the projection looks whether a feed that is halted, or emptied, continues. */
const HALTED_MS = 500;

/** How often the projection looks whether a feed that another release projects can be projected here again. */
const SUPERSEDED_MS = 1_000;

/** How often the projection looks whether the feed's source is live. */
const PENDING_MS = 250;

/** How often an idle draft looks whether it is to be built again. */
const DRAFT_MS = 500;

/** How often the progress of a build is reported. */
const PROGRESS_MS = 5_000;

/** Delay before a projection whose storage failed is tried again, in milliseconds. */
const BACKOFF = { firstMs: 1_000, lastMs: 1_000 };

/** A build takes one part in this many of the writer's time under a full load of appends, and more under less. */
const BUILD_SHARE = 6;

export interface RunDeps extends FeedDeps {
  readonly clock: Clock;
  readonly chance: () => number;
  /** Name of this process among those on the database. */
  readonly holder: string;
  /** Default: no holder is known to have ended, so that each lease lasts until it expires. */
  readonly hasEnded?: HasEnded;
  /** Reader of the feed's source; new events there wake the projection. */
  readonly source: LogReader;
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

/** Resolves when the source may have events after a position, or after so many milliseconds. */
async function waitForEvents(
  { source, clock }: RunDeps,
  { position, ms }: { readonly position: number; readonly ms: number | null },
  signal: AbortSignal,
): Promise<void> {
  if (ms === null) {
    await source.passed(position, signal);
    return;
  }
  const done = new AbortController();
  const either = AbortSignal.any([signal, done.signal]);
  await Promise.race([source.passed(position, either), clock.sleep(ms, either)]).finally(() => done.abort());
}

type Projected = Extract<Step, { readonly kind: "projected" }>;

interface ProjectionParts {
  readonly projector: Projector;
  readonly lease: ProjectionLease;
}

/** A halted feed still applies the erasures of its source, and may continue after that. */
async function waitWhileHalted(
  { clock, database }: RunDeps,
  { projector, lease }: ProjectionParts,
  { log }: RegisteredFeed,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const held = lease.held();
    if (signal.aborted || held === null || (await readFeed(database, log))?.status !== "halted") break;
    const step = await projector.step({ lease: held, retry: false, flush: false });
    if (step.kind === "outdated") await lease.renew();
    else if (step.kind === "halted") await clock.sleep(HALTED_MS, signal);
  }
  projector.forget();
}

async function waitWhileRebuilding(
  { clock, database }: RunDeps,
  { projector }: ProjectionParts,
  { log }: RegisteredFeed,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted && (await readFeed(database, log))?.status === "rebuilding")
    await clock.sleep(HALTED_MS, signal);
  projector.forget();
}

/** Reports the progress of a build from time to time. */
function createProgressReport({ clock, onEvent }: RunDeps, feed: string): (step: Projected) => void {
  let reportedMs = clock.monotonic();
  return ({ cursor, head, rate }) => {
    if (clock.monotonic() - reportedMs < PROGRESS_MS) return;
    reportedMs = clock.monotonic();
    const secondsLeft = rate < 1 ? null : Math.ceil((head - cursor) / rate);
    const eventsPerSecond = Math.round(rate);
    onEvent({ kind: "building", feed, cursor, head, eventsPerSecond, secondsLeft });
  };
}

/** When a projection continues after each of its steps. */
interface StepSchedule {
  /** Whether the next step stores a cursor that lags. */
  isFlushDue(): Promise<boolean>;
  after(step: Step, signal: AbortSignal): Promise<JobOutcome>;
}

function createStepSchedule(deps: RunDeps, parts: ProjectionParts, registered: RegisteredFeed): StepSchedule {
  const { clock, source, onEvent } = deps;
  const { projector, lease } = parts;
  const { feed, tracked } = registered;
  const load = createAppendLoad(clock);
  let wasBuilding = false;
  let superseded = false;
  const reportProgress = createProgressReport(deps, feed.path);
  /**
   * Since when the stored cursor lags. Requests for subjects of a tracked feed wait for the cursor, so it is stored in time
   * also while others append events that the feed does not read.
   */
  let laggingMs: number | null = null;
  /** The position at which the job last waited with a cursor that lags. */
  let waitedAt: number | null = null;

  const isFlushDue = async (): Promise<boolean> => {
    if (waitedAt === null || laggingMs === null) return false;
    const isLate = tracked && clock.monotonic() - laggingMs >= FLUSH_MS;
    const isDue = isLate || (await source.head()) === waitedAt;
    waitedAt = null;
    if (isDue) laggingMs = null;
    return isDue;
  };

  const afterProjected = (step: Projected): JobOutcome => {
    if (wasBuilding && !step.building) onEvent({ kind: "live", feed: feed.path });
    wasBuilding = step.building;
    if (!step.building) return "progressed";
    reportProgress(step);
    return { restMs: step.writeMs * (BUILD_SHARE - 1) * load.measure(step.head) };
  };

  const afterCaughtUp = (step: Extract<Step, { kind: "caught-up" }>): JobOutcome => {
    load.reset();
    laggingMs = step.unwritten ? (laggingMs ?? clock.monotonic()) : null;
    waitedAt = step.unwritten ? step.position : null;
    // A draft may be built again, with other content.
    if (feed.draft) projector.forget();
    const idleMs = step.pending ? PENDING_MS : feed.draft ? DRAFT_MS : null;
    const wait = { position: step.position, ms: step.unwritten ? FLUSH_MS : idleMs };
    return { until: (signal) => waitForEvents(deps, wait, signal) };
  };

  const after = async (step: Step, signal: AbortSignal): Promise<JobOutcome> => {
    switch (step.kind) {
      case "projected":
        return afterProjected(step);
      case "caught-up":
        return afterCaughtUp(step);
      case "maintained":
        // In turns with the appends of others.
        return { restMs: step.writeMs };
      case "halted": {
        const { position, message } = step.failure;
        onEvent({ kind: "halted", feed: feed.path, position, message });
        await waitWhileHalted(deps, parts, registered, signal);
        return "progressed";
      }
      case "emptied":
        await waitWhileRebuilding(deps, parts, registered, signal);
        return "progressed";
      case "outdated":
        // Most likely a subject was hydrated, and this process still holds the lease.
        await lease.renew();
        return "progressed";
      case "superseded":
        if (!superseded) onEvent({ kind: "superseded", feed: feed.path });
        superseded = true;
        await lease.release();
        return { restMs: SUPERSEDED_MS };
      case "gone":
        return "over";
    }
  };

  return { isFlushDue, after };
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
  const projector = createProjector(deps, registered);
  if (contract.standing === "older") onEvent({ kind: "older", feed: feed.path });
  const loop = startLoop(createProjectionJob(deps, { projector, lease }, registered), {
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
