import type { CommitOptions } from "../client/index.ts";
import { KildeError } from "../client/index.ts";
import type { BlockedSummary } from "./blocked.ts";
import type { ConsumerDeps } from "./deps.ts";

/** A report that says nothing new is sent so often, so that the server knows that the consumer is there. */
const REPORT_ANYWAY_MS = 60_000;

/** Longest message that the server takes. */
const MESSAGE_LENGTH = 1_000;

/** Reports to the server how far a consumer is, and what is blocked. */
export interface PositionReports {
  /** Position that was reported last; null: none. */
  readonly committed: number | null;
  /** Reports what has changed; nothing changed: only after a minute. Rejects when the server cannot be reached. */
  report(position: number, blocked: BlockedSummary): Promise<void>;
  /** The position may be lower than the one reported last: the feed was restored. */
  forget(): void;
}

function reportOf({ count, last }: BlockedSummary): Pick<CommitOptions, "blocked" | "failure"> {
  // Nothing is blocked where nothing is stated, also to a server of an earlier release.
  if (last === null) return {};
  const { message, version, type, attempts, since } = last.failure;
  const text = message.slice(0, MESSAGE_LENGTH).toWellFormed();
  return {
    blocked: count,
    failure: { subject: last.subject, version, type, message: text, attempts, since },
  };
}

export function createPositionReports({
  client,
  log,
  clock,
}: Pick<ConsumerDeps<unknown>, "client" | "log" | "clock">): PositionReports {
  let committed: number | null = null;
  let reported: BlockedSummary | null = null;
  let reportedMs = Number.NEGATIVE_INFINITY;
  return {
    get committed() {
      return committed;
    },
    async report(position, blocked) {
      const isDue = clock.monotonic() - reportedMs >= REPORT_ANYWAY_MS;
      if (position === committed && blocked === reported && !isDue) return;
      const stated = { ...(log === null ? {} : { feed: log }), ...reportOf(blocked) };
      try {
        // What the store has is the truth, also when it was put back; but only once, or two processes would quarrel.
        await client.commit(position, committed === null ? { ...stated, rewind: true } : stated);
      } catch (error) {
        if (!(error instanceof KildeError && error.code === "cursor-moved-back")) throw error;
      }
      committed = position;
      reported = blocked;
      reportedMs = clock.monotonic();
    },
    forget() {
      committed = null;
    },
  };
}
