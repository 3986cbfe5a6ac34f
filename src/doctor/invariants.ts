import { EVENT_INVARIANTS } from "../log/invariants/events.ts";
import { FEED_INVARIANTS } from "../feeds/invariants.ts";
import type { Invariant } from "../storage/invariant.ts";
import { LOG_INVARIANTS } from "../log/invariants/logs.ts";
import { SUBJECT_INVARIANTS } from "../log/invariants/subjects.ts";
import { SUBSCRIPTION_INVARIANTS } from "../webhooks/invariants.ts";

/** Every rule of the schema, beside its shape (`schema-shape.ts`) and SQLite's own of the file. `kilde doctor` checks them all. */
export const INVARIANTS: readonly Invariant[] = [
  ...LOG_INVARIANTS,
  ...SUBJECT_INVARIANTS,
  ...EVENT_INVARIANTS,
  ...FEED_INVARIANTS,
  ...SUBSCRIPTION_INVARIANTS,
];
