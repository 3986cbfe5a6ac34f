import { type DeliverDeps, noteFailure } from "./deliver.ts";
import type { FeedPosition } from "./feed-position.ts";
import type { FeedProgress } from "./feed-progress.ts";
import type { Health } from "./health.ts";
import { eachOf } from "./limited.ts";
import type { PositionReports } from "./report.ts";
import { rollBack } from "./restore.ts";

/** Subjects that are read again concurrently after a restore of the server. */
const PULLS_AFTER_RESET = 4;

/** Resolves with the position once the store agrees with the histories that some identities name. */
export type Settle = (identities: Iterable<string | undefined>) => Promise<FeedPosition>;

export interface SettleParts {
  readonly progress: FeedProgress;
  readonly reports: PositionReports;
  readonly health: Health;
}

export function createSettle<Tx>(deps: DeliverDeps<Tx>, { progress, reports, health }: SettleParts): Settle {
  const { store, key, history, pulls } = deps;
  let rollingBack: Promise<readonly string[]> | null = null;

  /** Adjusts the store to the current history of the feed. Returns the subjects to read again. */
  const adoptHistory = async (): Promise<readonly string[]> => {
    const { since, mark, identity } = await progress.prepared();
    const kept = { since, position: mark.position, identity, reconstitution: null };
    try {
      const { feed, reset } = await rollBack(deps, history, (await store.readFeed(key)) ?? kept);
      progress.replace(feed);
      reports.forget();
      return reset;
    } catch (error) {
      health.endIfRestored(error);
      throw error;
    }
  };

  return async (identities) => {
    let at = await progress.prepared();
    for (const identity of identities) {
      if (identity !== undefined && history.holds(identity, 0) === null) await history.learn(identity);
    }
    while (history.current !== null && history.current !== at.identity) {
      rollingBack ??= adoptHistory().finally(() => (rollingBack = null));
      const reset = await rollingBack;
      at = await progress.prepared();
      // After a failure the subject stays blocked and is retried.
      await eachOf(reset, PULLS_AFTER_RESET, (subject) =>
        pulls.toNow(subject).then(
          () => {},
          (error: unknown) => noteFailure(deps, subject, error),
        ),
      );
    }
    return at;
  };
}
