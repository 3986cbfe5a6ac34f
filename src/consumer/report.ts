import type { CommitOptions } from "../client/index.ts";
import { KildeError } from "../client/index.ts";
import type { BlockedSummary } from "./blocked.ts";
import type { ConsumerDeps } from "./deps.ts";

/** Interval of unchanged reports, which show the server that the consumer is active. */
const REPORT_ANYWAY_MS = 60_000;

/** Longest message that the server accepts. */
const MESSAGE_LENGTH = 1_000;

/** Reports the position and the blocked subjects of a consumer to the server. */
export interface PositionReports {
  /** Last reported position; null: none. */
  readonly committed: number | null;
  /** Reports changes; an unchanged state only once a minute. Rejects when the server is unreachable. */
  report(position: number, blocked: BlockedSummary): Promise<void>;
  /** Allows a position below the last reported one: the feed was restored. */
  forget(): void;
}

function reportOf({ count, last }: BlockedSummary): Pick<CommitOptions, "blocked" | "failure"> {
  // An omitted member means that nothing is blocked, also to servers of earlier releases.
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
        // The store is authoritative, also after it was restored. Rewinds only once, or two processes would overwrite
        // each other's positions.
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
