import { type ObjectivesDeps, objectivesJob } from "../administration/objectives/objectives-job.ts";
import type { Job } from "../jobs/job.ts";
import { measureFeeds } from "../feeds/lifecycle/measured-feeds.ts";
import type { RegisteredFeed } from "../feeds/lifecycle/register.ts";
import { findRetiredLogs } from "../feeds/lifecycle/retired-logs.ts";
import { measureConsumers } from "../log/consumers/measured-consumers.ts";
import { databaseTimeMs } from "../storage/database-time.ts";
import { measureSubscriptions } from "../webhooks/subscriptions/measured-subscriptions.ts";

export interface StoreObjectivesDeps extends Pick<
  ObjectivesDeps,
  "database" | "writer" | "clock" | "stated"
> {
  /** Default: the database's, on which processes with different clocks agree. */
  readonly nowMs?: () => Promise<number>;
}

/** Creates the job that compares the consumers, feeds and subscriptions of a store with their objectives. */
export function storeObjectivesJob(deps: StoreObjectivesDeps, registered: readonly RegisteredFeed[]): Job {
  const { database } = deps;
  const feeds = new Map(registered.map((feed) => [feed.feed.path, feed]));
  return objectivesJob({
    nowMs: () => databaseTimeMs(database),
    ...deps,
    retiredLogs: (paths) => findRetiredLogs(database, paths),
    canMeasure: ({ kind, name }) => kind !== "feed" || feeds.has(name),
    measure: {
      consumer: (objectives) => measureConsumers(database, objectives),
      feed: (objectives) =>
        measureFeeds(
          database,
          objectives.flatMap(({ name }) => feeds.get(name) ?? []),
        ),
      subscription: (objectives) =>
        measureSubscriptions(
          database,
          objectives.map(({ name }) => name),
        ),
    },
  });
}
