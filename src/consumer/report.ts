import type { Client } from "../client/index.ts";
import { KildeError } from "../client/index.ts";
import type { ConsumerDeps } from "./deps.ts";

/** Tells the server how far a consumer is. */
export interface PositionReports {
  /** Position that the server was told last; null: none. */
  readonly committed: number | null;
  /** Tells the position if it is another one. Rejects when the server cannot be told. */
  report(position: number): Promise<void>;
  /** The position may be lower than the one reported last: the feed was restored. */
  forget(): void;
}

export function createPositionReports({
  client,
  log,
}: Pick<ConsumerDeps<unknown>, "log"> & { client: Client }): PositionReports {
  let committed: number | null = null;
  return {
    get committed() {
      return committed;
    },
    async report(position) {
      if (position === committed) return;
      const feed = log === null ? {} : { feed: log };
      try {
        // What the store has is the truth, also when it was put back; but only once, or two processes would quarrel.
        await client.commit(position, committed === null ? { ...feed, rewind: true } : feed);
      } catch (error) {
        if (!(error instanceof KildeError && error.code === "cursor-moved-back")) throw error;
      }
      committed = position;
    },
    forget() {
      committed = null;
    },
  };
}
