import { BATCH_BYTES, type BatchSize, readBatch } from "../../storage/batch-size.ts";
import type { Database } from "../../storage/database.ts";
import { isTooLarge } from "../../storage/failures.ts";
import type { LogAddress } from "../../log/keys.ts";
import type { Feed } from "../feed.ts";
import { sourceBatch, sourceRange } from "./source.ts";
import { readRows, type SourceRow } from "./source-rows.ts";

/** Source positions that one query looks through. */
const WINDOW = 20_000;

/** The next events of a feed's source, up to a position, and all of them up to there. */
export interface SourceWindow {
  readonly rows: readonly SourceRow[];
  readonly cursor: number;
}

export interface WindowQuery {
  readonly source: LogAddress;
  /** The types and prefixes that the feed reads, and those that any feed of its group reads. */
  readonly own: Feed["source"];
  readonly group: Feed["source"];
  readonly after: number;
  readonly head: number;
  readonly size: BatchSize;
}

function isReadBy({ types, prefixes }: Feed["source"]): (row: SourceRow) => boolean {
  const read = new Set(types);
  return ({ event: { type, subject } }) =>
    read.has(type) && (prefixes.length === 0 || prefixes.some((prefix) => subject.startsWith(prefix)));
}

/**
 * Reads all events up to the head, which are few, with those of the other feeds of the group, so that one answer serves all of
 * them. Null: they are too large to be read at once.
 */
async function readToHead(
  database: Pick<Database, "read">,
  { source, own, group, after, head }: WindowQuery,
): Promise<SourceWindow | null> {
  const limit = head - after;
  const range = sourceRange(source, group, { after, upTo: head, limit });
  try {
    const rows = await readRows(database, source, range, Math.floor(BATCH_BYTES / limit));
    return rows === null ? null : { rows: rows.filter(isReadBy(own)), cursor: head };
  } catch (error) {
    if (!isTooLarge(error)) throw error;
    return null;
  }
}

/** Reads the next events of a feed's source. */
export async function readWindow(
  database: Pick<Database, "read">,
  query: WindowQuery,
): Promise<SourceWindow> {
  const { source, own, after, head, size } = query;
  if (after >= head) return { rows: [], cursor: after };
  const upTo = Math.min(head, after + WINDOW);
  const toHead = head - after <= size.now() ? await readToHead(database, query) : null;
  if (toHead !== null) return toHead;
  const batch = sourceBatch(database, source, upTo - after, (limit) =>
    sourceRange(source, own, { after, upTo, limit }),
  );
  const { rows, limit } = await readBatch(size, batch);
  return { rows, cursor: rows.length === limit ? (rows.at(-1)?.position ?? upTo) : upTo };
}
