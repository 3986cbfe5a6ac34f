import type { Statement } from "../../storage/database.ts";

/**
 * Part of a batch that gives logs another history: every dispatcher starts again from stored state. The epoch is raised
 * at random, so that it equals none that a process remembers.
 */
export const OUTDATE_DELIVERIES: Statement = {
  sql: "update subscriptions set epoch = epoch + 1 + (random() & 4294967295)",
  args: [],
};
