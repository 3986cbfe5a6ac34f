import { snapshotFolder } from "../core/snapshot-streams.ts";
import type { Statement } from "../storage/database.ts";
import type { BesideCondition } from "../log/append/append-beside.ts";
import type { StreamRemoval } from "../log/erase/stream-removal.ts";
import { type OperationsEntry, entry, recordEntries } from "./entry.ts";

function removalEntry({ stream, before, reason, by: principal }: StreamRemoval): OperationsEntry {
  const path = `/streams/${stream}`;
  return before === null
    ? entry(path, "kilde.stream.erased", { principal, reason })
    : entry(path, "kilde.stream.truncated", { principal, reason, before });
}

/**
 * Statements of the batch that truncates or erases streams: record it. Deciders truncate their snapshots all the time,
 * which nobody needs to know.
 */
export function recordRemovals(
  removals: readonly StreamRemoval[],
  now: string,
  condition: BesideCondition,
): Statement[] {
  const recorded = removals.filter(
    ({ stream, before }) => before === null || snapshotFolder(stream) === null,
  );
  return recorded.length === 0 ? [] : recordEntries(recorded.map(removalEntry), now, condition);
}
