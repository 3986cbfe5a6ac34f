import { ADMINISTRATION_INVARIANTS } from "../administration/invariants.ts";
import { ACCESS_INVARIANTS } from "../access/invariants.ts";
import { EVENT_INVARIANTS } from "../log/invariants/events.ts";
import { FEED_INVARIANTS } from "../feeds/invariants.ts";
import { FEED_LOG_INVARIANTS } from "../feeds/log-invariants.ts";
import type { Invariant } from "../storage/invariant.ts";
import { LOG_INVARIANTS } from "../log/invariants/logs.ts";
import { SUBJECT_INVARIANTS } from "../log/invariants/subjects.ts";
import { SUBSCRIPTION_INVARIANTS } from "../webhooks/invariants.ts";

/**
 * Every rule that `kilde doctor` checks, besides the schema's shape (`schema-shape.ts`) and SQLite's check of the file.
 */
export const INVARIANTS: readonly Invariant[] = [
  ...FEED_LOG_INVARIANTS,
  ...LOG_INVARIANTS,
  ...ADMINISTRATION_INVARIANTS,
  ...SUBJECT_INVARIANTS,
  ...EVENT_INVARIANTS,
  ...FEED_INVARIANTS,
  ...SUBSCRIPTION_INVARIANTS,
  ...ACCESS_INVARIANTS,
];
