import { type Lane, rowOf } from "./lane.ts";
import type { LaneTable } from "./lane-table.ts";
import { placeLane } from "./lane-table.ts";
import type { StoredLane } from "../subscriptions/subscription.ts";

/** Rows to store, and the function to call when they are. */
export interface LaneRows {
  readonly upserts: readonly StoredLane[];
  readonly deletes: readonly number[];
  /** Call it when the write is acknowledged, and never before: until then the rows count as not stored. */
  acknowledge(now: number): void;
}

/** The position up to which every event, of those up to the frontier, is acknowledged or covered by a row. */
export function lowWaterOf({ active }: LaneTable, frontier: number): number {
  let lowWater = frontier;
  for (const { detached, sending, pending } of active.values()) {
    const [event] = pending;
    if (!detached && !sending && event !== undefined) lowWater = Math.min(lowWater, event.position - 1);
  }
  return lowWater;
}

/** Whether a lane needs a row when the cursor is at the low-water mark. */
function needsRow({ detached, pendingRewind, sending, pending: [event] }: Lane, lowWater: number): boolean {
  return detached || pendingRewind !== null || (sending && event !== undefined && event.position <= lowWater);
}

/** The rows that differ from the stored ones, for a cursor at the low-water mark. */
export function changedRows(table: LaneTable, lowWater: number): LaneRows {
  const { active, resting, gone } = table;
  const unsaved = resting.unsaved();
  const upserts = [...unsaved.rows];
  const sent: { readonly lane: Lane; readonly changes: number }[] = [];
  const deletes = new Set(gone);
  for (const lane of active.values()) {
    if (needsRow(lane, lowWater)) {
      if (lane.changes === lane.kept) continue;
      lane.mayHaveRow = true;
      sent.push({ lane, changes: lane.changes });
      upserts.push(rowOf(lane));
    } else if (lane.mayHaveRow) {
      deletes.add(lane.subject);
      // Even if the deletion fails: a row that is needed again must be written.
      lane.kept = -1;
    }
  }
  return {
    upserts,
    deletes: [...deletes],
    acknowledge(now) {
      for (const subject of deletes) {
        gone.delete(subject);
        const lane = active.get(subject);
        if (lane !== undefined && lane.kept === -1) lane.mayHaveRow = false;
      }
      unsaved.acknowledge();
      for (const { lane, changes } of sent) {
        // A lane that rests by now is another object when it wakes, and its row is written again.
        lane.kept = changes;
        if (lane.changes !== changes || !lane.freezing) continue;
        lane.freezing = false;
        placeLane(table, lane, now);
      }
    },
  };
}
