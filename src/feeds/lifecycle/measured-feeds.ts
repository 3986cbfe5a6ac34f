import type { Measurement } from "../../core/objective.ts";
import { type Database, integerAt, textAt, textOrNullAt } from "../../storage/database.ts";
import { LOG_SPAN } from "../../log/keys.ts";
import type { RegisteredFeed } from "./register.ts";
import { withUpstream } from "./with-upstream.ts";

/** Arguments: JSON `[[log id of the feed, log id of its source], …]`. */
export const MEASURE_FEEDS = `
select feed.log, feed.status, feed.started,
  (select recorded from events where key > source.id * ${LOG_SPAN} + feed.cursor and key <= source.id * ${LOG_SPAN} + source.head
    order by key limit 1),
  (select recorded from events where key = log.id * ${LOG_SPAN} + log.head)
from json_each(?1) as wanted
cross join feeds as feed on feed.log = wanted.value ->> 0
cross join logs as log on log.id = feed.log
cross join logs as source on source.id = wanted.value ->> 1`;

/** Measured values of one feed, without the feeds that it is projected from. */
interface OwnMeasurement {
  /** Whether it is built, so that its lag counts. */
  readonly isBuilt: boolean;
  readonly oldest: string | null;
  readonly active: string;
}

function earlier(one: string | null, other: string | null): string | null {
  if (one === null || other === null) return one ?? other;
  return one < other ? one : other;
}

/**
 * Measures feeds: the lag of a feed includes that of the feed it is projected from. While it is built, and where one of these
 * is, both are unknown. Feeds that were retired are missing.
 */
export async function measureFeeds(
  database: Database,
  feeds: readonly RegisteredFeed[],
): Promise<Measurement[]> {
  const wanted = withUpstream(feeds).map(({ log, source }) => [log.id, source.id]);
  const rows = await database.read({ sql: MEASURE_FEEDS, args: [JSON.stringify(wanted)] });
  const measured = new Map<number, OwnMeasurement>();
  for (const row of rows) {
    const status = textAt(row, 1);
    if (status === "retired") continue;
    measured.set(integerAt(row, 0), {
      isBuilt: status === "live" || status === "halted",
      oldest: textOrNullAt(row, 3),
      active: row[4] === null ? textAt(row, 2) : textAt(row, 4),
    });
  }
  return feeds.flatMap((feed) => {
    const own = measured.get(feed.log.id);
    if (own === undefined) return [];
    let { isBuilt, oldest } = own;
    for (let { upstream } = feed; upstream !== null; { upstream } = upstream) {
      const before = measured.get(upstream.log.id);
      isBuilt &&= before?.isBuilt === true;
      oldest = earlier(oldest, before?.oldest ?? null);
    }
    const { path } = feed.feed;
    return [
      {
        name: path,
        resource: path,
        oldest: isBuilt ? oldest : undefined,
        active: isBuilt ? own.active : undefined,
      },
    ];
  });
}
