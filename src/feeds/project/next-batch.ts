import type { BatchSize } from "../../storage/batch-size.ts";
import type { Database } from "../../storage/database.ts";
import { isAheadLeft, type Merge, readAhead, readMerge } from "./merging.ts";
import type { FeedPlan } from "./plan.ts";
import type { FeedRecord } from "../record.ts";
import type { RegisteredFeed } from "../lifecycle/register.ts";
import type { SourceRow } from "./source-rows.ts";
import type { Feed } from "../feed.ts";
import { readWindow } from "./source-window.ts";

/** How the feeds of a group read the events of their source; see `SourceReads`. */
export interface SharedSource {
  readonly filter: Feed["source"];
  readonly events: Pick<Database, "read">;
}

/** The progress of a feed in its source. */
export type Reached = Pick<FeedRecord, "cursor" | "merged">;

/** The next source events of a projector. */
export interface NextBatch extends Reached {
  readonly rows: readonly SourceRow[];
  /** Head of the source. */
  readonly head: number;
  /** Events are left that the source published before it was complete up to them: they count when it is. */
  readonly isWaiting: boolean;
  /** Events that were published ahead in the source are among the rows. */
  readonly hasMerged: boolean;
  readonly isAhead: (row: SourceRow) => boolean;
  /** Plans the rows, and returns the progress of the feed then: before the event that cannot be projected, if there is one. */
  plan(planning: (rows: readonly SourceRow[]) => Promise<FeedPlan>): Promise<{ plan: FeedPlan } & Reached>;
}

/** By position. */
async function nextByPosition(
  database: Database,
  registered: RegisteredFeed,
  { cursor: after, merged }: Reached,
  head: number,
  size: BatchSize,
  shared: SharedSource,
): Promise<NextBatch> {
  const { feed, source, upstream } = registered;
  const { rows, cursor } = await readWindow(shared.events, {
    source,
    own: feed.source,
    group: shared.filter,
    after,
    head,
    size,
  });
  const isOrdered = upstream === null || upstream.tracked || rows.length === 0;
  const ahead = isOrdered ? null : await readAhead(database, source, after, cursor);
  return {
    rows,
    cursor,
    merged,
    head,
    isWaiting: false,
    hasMerged: false,
    isAhead: ({ position }) => ahead?.has(position) ?? false,
    async plan(planning) {
      const plan = await planning(rows);
      const { failure } = plan;
      return { plan, merged, cursor: failure === null ? Math.max(after, cursor) : failure.position - 1 };
    },
  };
}

/** In the order of the event log. */
async function nextMerged(
  database: Database,
  registered: RegisteredFeed,
  from: Reached,
  size: BatchSize,
): Promise<NextBatch> {
  const merge = await readMerge(database, registered, from, size);
  const { rows, cursor, merged, head } = merge;
  const isRest = cursor === from.cursor && rows.length === 0;
  return {
    rows,
    cursor,
    merged,
    head,
    isWaiting:
      (isRest && cursor < head) ||
      (cursor >= head && (await isAheadLeft(database, registered.source, merged))),
    hasMerged: merge.hasAhead,
    isAhead: () => false,
    async plan(planning) {
      const plan = await planning(rows);
      const failed = rows.find(({ position }) => position === plan.failure?.position);
      if (failed === undefined) return { plan, cursor, merged };
      // Events that come from one event of the event log are projected together, or not at all.
      const before: Merge = merge.before(failed);
      const whole = before.rows.length === 0 ? null : await planning(before.rows);
      const planned = whole ?? { ...(await planning([])), failure: null };
      return {
        plan: { ...planned, failure: planned.failure ?? plan.failure },
        cursor: before.cursor,
        merged: before.merged,
      };
    },
  };
}

/** Reads what a feed projects next. */
export function nextBatch(
  database: Database,
  registered: RegisteredFeed,
  from: Reached,
  head: number,
  size: BatchSize,
  shared: SharedSource,
): Promise<NextBatch> {
  return registered.merges
    ? nextMerged(database, registered, from, size)
    : nextByPosition(database, registered, from, head, size, shared);
}
