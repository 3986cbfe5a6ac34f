import { entry, recordEntries } from "../../administration/entry.ts";
import { withContact } from "../../administration/objectives/contact.ts";
import type { Statement } from "../../storage/database.ts";
import type { LogAddress } from "../../log/keys.ts";
import type { FeedStatus, ProjectionFailure } from "../record.ts";

/** Arguments: 3 path of the feed, 4 type, 5 data. */
const ENTRY = `(select json_array(json_array(?3, ?4, ${withContact("?5", "feed", "?3")})))`;

export interface StatusChange {
  readonly before: FeedStatus;
  readonly next: FeedStatus;
  readonly failure: ProjectionFailure | null;
}

/**
 * Records that a feed went live or halted. Part of a batch that is refused when the feed is no longer as it was `before`.
 * The message of a failure may quote an event, so the entry leaves it out.
 */
export function statusEntries(
  { name }: LogAddress,
  { before, next, failure }: StatusChange,
  nowMs: () => number,
): Statement[] {
  if (next === before || next === "building") return [];
  const now = new Date(nowMs()).toISOString();
  if (next === "live")
    return recordEntries([entry(name, "kilde.feed.live", { principal: null })], now, "always");
  if (next !== "halted" || failure === null) return [];
  const { position, subject } = failure;
  const [path, type, data] = entry(name, "kilde.feed.halted", { principal: null, position, subject });
  return recordEntries({ sql: ENTRY, args: [path, type, JSON.stringify(data)] }, now, "always");
}
