import type { Job, Slice } from "../../jobs/job.ts";
import type { Clock } from "../../core/clock.ts";
import type { FeedDeps } from "./commit.ts";
import { type Lease, releaseLease, takeLease } from "../../storage/lease.ts";
import { readHead } from "../../log/read/subjects.ts";
import { readSourceState } from "./source-state.ts";
import { currentRank } from "../contract/contract.ts";
import { createProjector } from "./projector.ts";
import type { Step } from "./step.ts";
import { readFeed } from "../record.ts";
import type { RegisteredFeed } from "../lifecycle/register.ts";
import type { RunEvent } from "./run.ts";

export interface SliceDeps extends FeedDeps {
  readonly clock: Clock;
  /** Name of the lease holder, different from those of all slices that may run at the same time. */
  readonly holder: string;
  /** Source events of one write, at most. Default: as a server does. */
  readonly batchEvents?: number;
  /** Whether to retry the event at which the feed is halted, as a process does when it starts. */
  readonly retry: boolean;
  /** Called after that attempt, whatever its outcome. Default: nothing. */
  readonly onRetried?: () => void;
  readonly onEvent: (event: RunEvent) => void;
}

/** A feed that is projected in slices. */
interface SlicedFeed {
  readonly deps: SliceDeps;
  readonly registered: RegisteredFeed;
  /** Whether the next step retries the event at which the feed is halted. */
  retry: boolean;
}

async function takeFeedLease({ deps, registered }: SlicedFeed, isNewTerm: boolean): Promise<Lease | null> {
  const rank = await currentRank(deps.database, registered);
  return takeLease(deps.writer, registered.log.name, deps.holder, { rank, isNewTerm });
}

/** Whether a slice has work to do. */
async function isBehind({ deps: { database }, registered, retry }: SlicedFeed): Promise<boolean> {
  const record = await readFeed(database, registered.log);
  if (record === null) return false;
  const isTracing = registered.tracked && record.traced !== null;
  switch (record.status) {
    case "retiring":
    case "rebuilding":
      return false;
    case "halted":
      return isTracing || retry || (await readSourceState(database, registered, record)).erasing;
    case "building":
    case "live": {
      const { head, live } = await readSourceState(database, registered, record);
      // A build ends when its source is live, which is no work of this feed.
      return isTracing || record.cursor < head || (record.status === "building" && live);
    }
  }
}

/** The progress of a slice. */
interface SliceProgress {
  /** Null after another took it over. */
  lease: Lease | null;
  hasProgressed: boolean;
  isBuilding: boolean;
}

/** Notes the outcome of a step, and returns whether the slice continues. */
async function continuesAfter(step: Step, feed: SlicedFeed, progress: SliceProgress): Promise<boolean> {
  const { onEvent } = feed.deps;
  const { path } = feed.registered.feed;
  switch (step.kind) {
    case "projected":
      if (progress.isBuilding && !step.building) onEvent({ kind: "live", feed: path });
      progress.isBuilding = step.building;
      progress.hasProgressed = true;
      return true;
    case "maintained":
      progress.hasProgressed = true;
      return true;
    case "outdated":
      // A subject was hydrated; or another took over.
      progress.lease = await takeFeedLease(feed, false);
      return true;
    case "halted": {
      const { position, message } = step.failure;
      onEvent({ kind: "halted", feed: path, position, message });
      return false;
    }
    case "superseded":
      onEvent({ kind: "superseded", feed: path });
      return false;
    case "caught-up":
    case "emptied":
    case "gone":
      return false;
  }
}

const isOver = ({ clock }: SliceDeps, { deadline, signal }: Slice) =>
  signal.aborted || clock.monotonic() >= deadline;

/** Steps until nothing is left, or the slice is over, or the feed has another writer. Returns whether a step made progress. */
async function stepThrough(feed: SlicedFeed, lease: Lease, slice: Slice): Promise<boolean> {
  const { deps, registered } = feed;
  const projector = createProjector(deps, registered);
  const progress: SliceProgress = { lease, hasProgressed: false, isBuilding: false };
  try {
    while (progress.lease !== null && !isOver(deps, slice)) {
      const { retry } = feed;
      // Another slice would read the same events again, and might end at the same place, if a cursor lagged.
      const step = await projector.step({ lease: progress.lease, retry, flush: true });
      if (retry && step.kind !== "outdated" && step.kind !== "maintained") {
        feed.retry = false;
        deps.onRetried?.();
      }
      if (!(await continuesAfter(step, feed, progress))) break;
    }
    return progress.hasProgressed;
  } finally {
    await projector.settle();
    if (progress.lease !== null) await releaseLease(deps.writer, progress.lease).catch(() => {});
  }
}

/**
 * Projects a feed in slices: under the same lease as a loop (`run.ts`), by the same steps, in any mixture with it.
 *
 * It looks once more after it has let go of the lease. A process that appended meanwhile and found the lease taken
 * leaves its events to the holder, which sees them by then.
 */
export function projectInSlices(deps: SliceDeps, registered: RegisteredFeed): Job {
  const feed: SlicedFeed = { deps, registered, retry: deps.retry };
  return {
    name: registered.feed.path,
    async run(slice) {
      let hasProgressed = false;
      // A feed that waits for its source to be complete is behind, and this process cannot change that.
      let waitingAt = -1;
      while (!isOver(deps, slice) && (await isBehind(feed))) {
        const head = await readHead(deps.database, registered.source);
        if (head === waitingAt) break;
        const lease = await takeFeedLease(feed, true);
        // The holder of the lease does the work.
        if (lease === null) break;
        const hasStepped = await stepThrough(feed, lease, slice);
        waitingAt = hasStepped ? -1 : head;
        hasProgressed ||= hasStepped;
      }
      return hasProgressed ? "progressed" : "idle";
    },
  };
}
