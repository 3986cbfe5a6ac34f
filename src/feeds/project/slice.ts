import type { Job, Slice } from "../../jobs/job.ts";
import type { Clock } from "../../core/clock.ts";
import type { FeedDeps } from "./commit.ts";
import { type Lease, releaseLease, takeLease } from "../../storage/lease.ts";
import { readHead } from "../../log/read/subjects.ts";
import { readSourceNews } from "./source-news.ts";
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

/**
 * Projects a feed in slices: under the same lease as a loop (`run.ts`), by the same steps, in any mixture with it.
 *
 * It looks once more after it has let go of the lease. A process that appended meanwhile and found the lease taken
 * leaves its events to the holder, which sees them by then.
 */
export function projectInSlices(deps: SliceDeps, registered: RegisteredFeed): Job {
  const { clock, database, writer, holder, onEvent } = deps;
  const { log, feed, tracked } = registered;
  const take = async () => takeLease(writer, log.name, holder, await currentRank(database, registered));
  let retry = deps.retry;

  const isBehind = async (): Promise<boolean> => {
    const record = await readFeed(database, log);
    if (record === null) return false;
    const isTracing = tracked && record.traced !== null;
    switch (record.status) {
      case "retiring":
      case "rebuilding":
        return false;
      case "halted":
        return isTracing || retry || (await readSourceNews(database, registered, record)).erasing;
      case "building":
      case "live": {
        const { head, live } = await readSourceNews(database, registered, record);
        // A build ends when its source is live, which is no work of this feed.
        return isTracing || record.cursor < head || (record.status === "building" && live);
      }
    }
  };

  const isOver = ({ deadline, signal }: Slice) => signal.aborted || clock.monotonic() >= deadline;

  /** Steps until nothing is left, or the slice is over, or the feed has another writer. */
  const stepWith = async (taken: Lease, slice: Slice): Promise<boolean> => {
    let lease: Lease | null = taken;
    let [flush, worked, building] = [false, false, false];
    const projector = createProjector(deps, registered);
    try {
      while (lease !== null && !isOver(slice)) {
        const step: Step = await projector.step({ lease, retry, flush });
        if (retry && step.kind !== "outdated" && step.kind !== "maintained") {
          retry = false;
          deps.onRetried?.();
        }
        switch (step.kind) {
          case "projected":
            if (building && !step.building) onEvent({ kind: "live", feed: feed.path });
            building = step.building;
            worked = true;
            flush = false;
            continue;
          case "caught-up":
            // With a cursor that lags, every later slice would read the same events.
            if (!step.unwritten || flush) return worked;
            flush = true;
            continue;
          case "maintained":
            worked = true;
            continue;
          case "outdated":
            // A subject was hydrated; or another took over.
            lease = await take();
            continue;
          case "halted":
            onEvent({
              kind: "halted",
              feed: feed.path,
              position: step.failure.position,
              message: step.failure.message,
            });
            return worked;
          case "superseded":
            onEvent({ kind: "superseded", feed: feed.path });
            return worked;
          case "emptied":
          case "gone":
            return worked;
        }
      }
      return worked;
    } finally {
      await projector.settle();
      if (lease !== null) await releaseLease(writer, lease).catch(() => {});
    }
  };

  return {
    name: feed.path,
    async run(slice) {
      let worked = false;
      // A feed that waits for its source to be complete is behind, and this process cannot change that.
      let waitingAt = -1;
      while (!isOver(slice) && (await isBehind())) {
        const head = await readHead(database, registered.source);
        if (head === waitingAt) break;
        const lease = await take();
        // The holder of the lease does the work.
        if (lease === null) break;
        const hasWorked = await stepWith(lease, slice);
        waitingAt = hasWorked ? -1 : head;
        worked ||= hasWorked;
      }
      return worked ? "worked" : "idle";
    },
  };
}
