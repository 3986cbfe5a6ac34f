import type { Statement } from "../storage/database.ts";

/**
 * Part of a batch that gives logs another history: every plan that a process made for a feed fails. The epoch is raised at
 * random, so that it equals none that a process remembers.
 */
export const OUTDATE_FEED_PLANS: Statement = {
  sql: "update feeds set epoch = epoch + 1 + (random() & 4294967295)",
  args: [],
};
