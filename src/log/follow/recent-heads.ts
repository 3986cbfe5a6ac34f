import type { Clock } from "../../core/clock.ts";
import type { Job } from "../../jobs/job.ts";

/** Time between two heads, in milliseconds. */
export const HEAD_STEP_MS = 10_000;

/** Heads that are remembered: those of an hour, and the one before it. */
const MOST_HEADS = 361;

/** The heads of a log in the last hour, in the memory of this process. */
export interface RecentHeads {
  /** Takes over a head that was looked up now. */
  note(head: number): void;
  read(): {
    /** The heads at the ends of consecutive steps, the latest last. */
    readonly heads: readonly number[];
    /** Age of the latest one, in milliseconds. */
    readonly ageMs: number;
  };
}

export function createRecentHeads(clock: Pick<Clock, "monotonic">): RecentHeads {
  const heads: number[] = [];
  let lastStep = 0;
  let notedMs = 0;
  return {
    note(head) {
      notedMs = clock.monotonic();
      const step = Math.floor(notedMs / HEAD_STEP_MS);
      const last = heads.at(-1);
      if (last !== undefined && step === lastStep) heads.pop();
      // A process that was stopped meanwhile noted nothing: the log counts as unchanged, and grows in the last step.
      const missed = last === undefined ? 0 : Math.min(step - lastStep - 1, MOST_HEADS);
      for (let count = 0; count < missed; count += 1) heads.push(last ?? head);
      heads.push(head);
      heads.splice(0, heads.length - MOST_HEADS);
      lastStep = step;
    },
    read: () => ({ heads: [...heads], ageMs: heads.length === 0 ? 0 : clock.monotonic() - notedMs }),
  };
}

/** Delays before a head that could not be looked up is looked up again, in milliseconds. */
export const RECENT_HEADS_BACKOFF = { firstMs: HEAD_STEP_MS, lastMs: HEAD_STEP_MS };

export interface RecentHeadsJobDeps {
  readonly clock: Clock;
  readonly heads: RecentHeads;
  /** Looks up the head of the log. */
  readonly look: () => Promise<number>;
}

/** Notes the head of a log in each step, also when other processes append. */
export function recentHeadsJob({ clock, heads, look }: RecentHeadsJobDeps): Job {
  return {
    name: "note heads",
    async run() {
      heads.note(await look());
      const restMs = HEAD_STEP_MS - (clock.monotonic() % HEAD_STEP_MS);
      return { until: (signal) => clock.sleep(restMs, signal) };
    },
  };
}
