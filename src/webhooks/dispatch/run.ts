import { createPaced } from "../../core/paced.ts";
import type { Job } from "../../jobs/job.ts";
import { type Backoff, type RunningJob, startLoop } from "../../jobs/loop.ts";
import { sleepUnlessEnded } from "../../storage/lease.ts";
import { type BehindSubscription, findBehind } from "./behind.ts";
import { createSubscriptionJobs, type DeliverOptions } from "./subscription-job.ts";

/** How often the process looks for subscriptions that are behind and that no process delivers. */
const LOOK_MS = 1_000;

/** Shortest time between two looks because of new events: a subscription that this process delivers needs none. */
const LOOK_AGAIN_MS = 50;

/** Delays after a subscription could not be delivered: storage failed, or its secrets could not be opened. */
const BACKOFF = { firstMs: 1_000, lastMs: 10_000, stableMs: 60_000 };

/** Delay after a look that failed. */
const LOOK_BACKOFF = { firstMs: LOOK_MS, lastMs: LOOK_MS };

/** Deliveries of this process. */
export interface Delivering {
  /** Reports a new or changed subscription, which would otherwise be detected later. */
  changed(subscription: string): void;
  /** Reports new events to deliver. */
  notify(): void;
  /** Resolves when the requests in flight are settled, and releases the leases. */
  close(): Promise<void>;
}

interface RunningSubscription {
  readonly loop: RunningJob;
  /** Starts again from the stored state, at once. */
  restart(): void;
}

/**
 * Delivers every subscription that is behind and that no other process delivers, until it is closed. One job finds them;
 * each gets a job of its own, and all run concurrently.
 */
export function deliver(options: DeliverOptions): Delivering {
  const { database, clock, chance, holder, hasEnded = () => false, onEvent } = options;
  const jobs = createSubscriptionJobs(options, { turns: null, onProgress: () => {} });
  const running = new Map<string, RunningSubscription>();
  /** The subscriptions that were behind at the last look. */
  let behindBefore = new Set<string>();

  const startInLoop = (job: Job, subscription: string, backoff: Backoff) =>
    startLoop(job, {
      clock,
      chance,
      backoff,
      onFailure: (error) => onEvent({ kind: "failed", subscription, error }),
    });

  const start = (id: string) => {
    const job = jobs.create(id);
    const loop = startInLoop(job, id, BACKOFF);
    running.set(id, {
      loop,
      restart() {
        job.restart();
        loop.retry();
      },
    });
    void loop.ended.then(() => {
      running.delete(id);
      finding.wake();
    });
  };

  /** The last holder gets time to continue, unless its process has ended. */
  const mayStart = ({ id, isFree, isUnclaimed, othersLease }: BehindSubscription) =>
    (othersLease !== null && hasEnded(othersLease)) || (isFree && (isUnclaimed || behindBefore.has(id)));

  const find: Job = {
    name: "find-behind",
    async run({ signal }) {
      const behind = await findBehind(database, holder);
      if (signal.aborted) return "over";
      const idle = behind.filter(({ id }) => !running.has(id));
      const awaited = idle.filter((subscription) => !mayStart(subscription));
      for (const subscription of idle) if (!awaited.includes(subscription)) start(subscription.id);
      behindBefore = new Set(behind.map(({ id }) => id));
      const leases = awaited.flatMap(({ othersLease }) => othersLease ?? []);
      return { until: (waiting) => sleepUnlessEnded(clock, LOOK_MS, { leases, hasEnded }, waiting) };
    },
  };
  const finding = startInLoop(find, "all", LOOK_BACKOFF);
  const lookAgain = createPaced(clock, LOOK_AGAIN_MS, () => finding.wake());

  return {
    changed(id) {
      running.get(id)?.restart();
      finding.wake();
    },
    notify: () => lookAgain.request(),
    async close() {
      lookAgain.close();
      const loops = Array.from(running.values(), ({ loop }) => loop);
      await Promise.all([finding, ...loops].map((loop) => loop.close()));
      jobs.cutOff();
    },
  };
}
