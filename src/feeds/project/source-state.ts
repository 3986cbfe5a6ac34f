import { type Database, integerAt, textAt } from "../../storage/database.ts";
import type { LogState } from "../../log/log-state.ts";
import type { FeedRecord } from "../record.ts";
import type { RegisteredFeed } from "../lifecycle/register.ts";

/** Arguments: source's log id. The same for all feeds of a source, so that they can share it. */
export const SELECT_SOURCE_STATE = `
select log.head, log.identity, coalesce((select max(id) from erased_ranges where log = ?1), 0),
  exists (select 1 from feed_revisions where log > 0), coalesce((select status from feeds where log = ?1), 'live') = 'live'
from logs as log where log.id = ?1`;

/** Arguments: the feed's log id. */
export const IS_REVISING = "select 1 from feed_revisions where log = ?1 limit 1";

export interface SourceState extends LogState {
  /** Id of the last erased range of the source. */
  readonly lastErased: number;
  /** Erasures of the source are still to be applied to the feed. */
  readonly erasing: boolean;
  /** The source is the event log, or a feed that is live: a feed is not live before its source. */
  readonly live: boolean;
}

/** The state of the source of a feed. `read`: how its part that feeds share is read. Default: from the database. */
export async function readSourceState(
  database: Database,
  { log, source }: RegisteredFeed,
  { erased }: Pick<FeedRecord, "erased">,
  read: Database["read"] = (statement) => database.read(statement),
): Promise<SourceState> {
  const [row] = await read({ sql: SELECT_SOURCE_STATE, args: [source.id] });
  if (row === undefined) return { head: 0, identity: "", lastErased: 0, erasing: false, live: false };
  const lastErased = integerAt(row, 2);
  // Few feeds are revised, and rarely.
  const isRevising = async () =>
    integerAt(row, 3) === 1 && (await database.read({ sql: IS_REVISING, args: [log.id] })).length > 0;
  return {
    head: integerAt(row, 0),
    identity: textAt(row, 1),
    lastErased,
    erasing: lastErased > erased || (await isRevising()),
    live: integerAt(row, 4) === 1,
  };
}
