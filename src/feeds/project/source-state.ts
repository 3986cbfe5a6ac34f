import { type Database, integerAt, textAt } from "../../storage/database.ts";
import type { LogState } from "../../log/log-state.ts";
import type { FeedRecord } from "../record.ts";
import type { RegisteredFeed } from "../lifecycle/register.ts";

/** Arguments: source's log id, id of the feed's last applied range, the feed's log id. */
export const SELECT_SOURCE_STATE = `
select log.head, exists (select 1 from erased_ranges where log = ?1 and id > ?2),
  exists (select 1 from feed_revisions where log = ?3), log.identity,
  coalesce((select status from feeds where log = ?1), 'live') = 'live'
from logs as log where log.id = ?1`;

export interface SourceState extends LogState {
  /** Erasures of the source are still to be applied to the feed. */
  readonly erasing: boolean;
  /** The source is the event log, or a feed that is live: a feed is not live before its source. */
  readonly live: boolean;
}

/** The state of the source of a feed. */
export async function readSourceState(
  database: Database,
  { log, source }: RegisteredFeed,
  { erased }: Pick<FeedRecord, "erased">,
): Promise<SourceState> {
  const [row] = await database.read({ sql: SELECT_SOURCE_STATE, args: [source.id, erased, log.id] });
  if (row === undefined) return { head: 0, identity: "", erasing: false, live: false };
  const erasing = integerAt(row, 1) + integerAt(row, 2) > 0;
  return { head: integerAt(row, 0), identity: textAt(row, 3), erasing, live: integerAt(row, 4) === 1 };
}
