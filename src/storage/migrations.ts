import journal from "../../migrations/meta/_journal.json" with { type: "json" };
import feeds from "../../migrations/0001_feeds.sql" with { type: "text" };
import subscriptions from "../../migrations/0002_subscriptions.sql" with { type: "text" };
import erasureSweep from "../../migrations/0006_erasure_sweep.sql" with { type: "text" };
import olderErasures from "../../migrations/0008_older_erasures.sql" with { type: "text" };
import erasures from "../../migrations/0003_erasures.sql" with { type: "text" };
import logIdentity from "../../migrations/0004_log_identity.sql" with { type: "text" };
import verbatimEvents from "../../migrations/0005_verbatim_events.sql" with { type: "text" };
import erasureGenerations from "../../migrations/0009_erasure_generations.sql" with { type: "text" };
import feedOrigins from "../../migrations/0010_feed_origins.sql" with { type: "text" };
import hydrations from "../../migrations/0011_hydrations.sql" with { type: "text" };
import feedContracts from "../../migrations/0012_feed_contracts.sql" with { type: "text" };
import consumerFailures from "../../migrations/0013_consumer_failures.sql" with { type: "text" };
import feedAhead from "../../migrations/0014_feed_ahead.sql" with { type: "text" };
import access from "../../migrations/0015_access.sql" with { type: "text" };
import operations from "../../migrations/0016_operations.sql" with { type: "text" };
import subscriptionCreators from "../../migrations/0017_subscription_creators.sql" with { type: "text" };
import consumerLag from "../../migrations/0018_consumer_lag.sql" with { type: "text" };
import correlations from "../../migrations/0020_correlations.sql" with { type: "text" };
import objectives from "../../migrations/0021_objectives.sql" with { type: "text" };
import keptAttemptSubjects from "../../migrations/0022_kept_attempt_subjects.sql" with { type: "text" };
import keptAttempts from "../../migrations/0019_kept_attempts.sql" with { type: "text" };
import log from "../../migrations/0000_log.sql" with { type: "text" };
import deliveryWaits from "../../migrations/0007_delivery_waits.sql" with { type: "text" };

/** The SQL files of `migrations/`, as text in the bundle, so that the binary carries its own schema. */
const texts: Readonly<Record<string, string>> = {
  "0000_log": log,
  "0001_feeds": feeds,
  "0002_subscriptions": subscriptions,
  "0003_erasures": erasures,
  "0004_log_identity": logIdentity,
  "0005_verbatim_events": verbatimEvents,
  "0006_erasure_sweep": erasureSweep,
  "0007_delivery_waits": deliveryWaits,
  "0008_older_erasures": olderErasures,
  "0009_erasure_generations": erasureGenerations,
  "0010_feed_origins": feedOrigins,
  "0011_hydrations": hydrations,
  "0012_feed_contracts": feedContracts,
  "0013_consumer_failures": consumerFailures,
  "0014_feed_ahead": feedAhead,
  "0015_access": access,
  "0016_operations": operations,
  "0017_subscription_creators": subscriptionCreators,
  "0018_consumer_lag": consumerLag,
  "0019_kept_attempts": keptAttempts,
  "0020_correlations": correlations,
  "0021_objectives": objectives,
  "0022_kept_attempt_subjects": keptAttemptSubjects,
};

export interface SchemaMigration {
  readonly tag: string;
  readonly when: number;
  readonly text: string;
}

export const MIGRATIONS: readonly SchemaMigration[] = journal.entries.map(({ tag, when }) => {
  const text = texts[tag];
  if (text === undefined) throw new Error(`migrations/${tag}.sql is not listed in src/storage/migrations.ts`);
  return { tag, when, text };
});
