import type { JobOutcome } from "../../jobs/job.ts";
import type { RegisteredFeed } from "../lifecycle/register.ts";
import { readFeed } from "../record.ts";
import { createAppendLoad } from "./append-load.ts";
import type { Gathering } from "./gathering.ts";
import type { ProjectionLease } from "./projection-lease.ts";
import type { Projector } from "./projector.ts";
import type { RunDeps } from "./run.ts";
import type { Step } from "./step.ts";

/** Longest time that the stored cursor lags while no event is published. */
const FLUSH_MS = 250;

/** How often the projection looks whether a feed that is halted, or emptied, continues. */
const HALTED_MS = 500;

/** How often the projection looks whether a feed that another release projects can be projected here again. */
const SUPERSEDED_MS = 1_000;

/** How often the projection looks whether the feed's source is live. */
const PENDING_MS = 250;

/** How often the progress of a build is reported. */
const PROGRESS_MS = 5_000;

/** A build takes one part in this many of the writer's time under a full load of appends, and more under less. */
const BUILD_SHARE = 6;

/** How often an idle draft looks whether it is to be built again. */
export const DRAFT_MS = 500;

/** Resolves when the source may have events after a position, or after so many milliseconds. */
export async function waitForEvents(
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

export interface ProjectionParts {
  readonly projector: Projector;
  readonly lease: ProjectionLease;
  readonly gathering: Gathering;
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

/** Reports the progress of a build from time to time, and its end. */
function createProgressReport({ clock, onEvent }: RunDeps, feed: string): (step: Projected) => void {
  let reportedMs = clock.monotonic();
  let wasBuilding = false;
  return ({ cursor, head, rate, building }) => {
    if (wasBuilding && !building) onEvent({ kind: "live", feed });
    wasBuilding = building;
    if (!building) return;
    if (clock.monotonic() - reportedMs < PROGRESS_MS) return;
    reportedMs = clock.monotonic();
    const secondsLeft = rate < 1 ? null : Math.ceil((head - cursor) / rate);
    const eventsPerSecond = Math.round(rate);
    onEvent({ kind: "building", feed, cursor, head, eventsPerSecond, secondsLeft });
  };
}

type CaughtUp = Extract<Step, { readonly kind: "caught-up" }>;

/** When a cursor that lags is stored, although no event is published. */
function createFlushing({ clock, source }: RunDeps, { tracked }: RegisteredFeed) {
  /**
   * Since when the stored cursor lags. Requests for subjects of a tracked feed wait for the cursor, so it is stored in time
   * also while others append events that the feed does not read.
   */
  let laggingMs: number | null = null;
  /** The position at which the job last waited with a cursor that lags. */
  let waitedAt: number | null = null;

  return {
    caughtUp({ unwritten, position }: CaughtUp): void {
      laggingMs = unwritten ? (laggingMs ?? clock.monotonic()) : null;
      waitedAt = unwritten ? position : null;
    },
    async isDue(): Promise<boolean> {
      if (waitedAt === null || laggingMs === null) return false;
      const isLate = tracked && clock.monotonic() - laggingMs >= FLUSH_MS;
      const isDue = isLate || (await source.head()) === waitedAt;
      waitedAt = null;
      if (isDue) laggingMs = null;
      return isDue;
    },
  };
}

/** When a projection continues after each of its steps. */
interface StepSchedule {
  /** Whether the next step stores a cursor that lags. */
  isFlushDue(): Promise<boolean>;
  after(step: Step, signal: AbortSignal): Promise<JobOutcome>;
}

/** Created with the parts of a projection that it waits for. */
export function createStepSchedule(
  deps: RunDeps,
  parts: ProjectionParts,
  registered: RegisteredFeed,
): StepSchedule {
  const { clock, onEvent } = deps;
  const { projector, lease, gathering } = parts;
  const { feed } = registered;
  const load = createAppendLoad(clock);
  let superseded = false;
  const reportProgress = createProgressReport(deps, feed.path);
  const flushing = createFlushing(deps, registered);

  const afterProjected = (step: Projected): JobOutcome => {
    reportProgress(step);
    if (!step.building) {
      const isWorth = gathering.isWorth(step.head);
      return isWorth && step.cursor >= step.head ? { until: () => gathering.tick() } : "progressed";
    }
    return { restMs: step.writeMs * (BUILD_SHARE - 1) * load.measure(step.head) };
  };

  const afterCaughtUp = (step: CaughtUp): JobOutcome => {
    load.reset();
    flushing.caughtUp(step);
    // A draft may be built again, with other content.
    if (feed.draft) projector.forget();
    const idleMs = step.pending ? PENDING_MS : feed.draft ? DRAFT_MS : null;
    const wait = { position: step.position, ms: step.unwritten ? FLUSH_MS : idleMs };
    const isWorth = gathering.isWorth(step.position);
    return {
      async until(signal) {
        if (isWorth) await gathering.tick();
        await waitForEvents(deps, wait, signal);
      },
    };
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

  return { isFlushDue: () => flushing.isDue(), after };
}
