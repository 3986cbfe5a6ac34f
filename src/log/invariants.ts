import { EVENT_INVARIANTS } from "./invariants/events.ts";
import { FEED_INVARIANTS } from "./invariants/feeds.ts";
import type { Invariant } from "./invariants/invariant.ts";
import { LOG_INVARIANTS } from "./invariants/logs.ts";
import { SUBJECT_INVARIANTS } from "./invariants/subjects.ts";
import { SUBSCRIPTION_INVARIANTS } from "./invariants/subscriptions.ts";

/** Every rule of the schema, beside its shape (`schema-shape.ts`) and SQLite's own of the file. `kilde doctor` checks them all. */
export const INVARIANTS: readonly Invariant[] = [
  ...LOG_INVARIANTS,
  ...SUBJECT_INVARIANTS,
  ...EVENT_INVARIANTS,
  ...FEED_INVARIANTS,
  ...SUBSCRIPTION_INVARIANTS,
];
