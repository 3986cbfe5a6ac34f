import type { Measurement } from "../../core/objective.ts";
import { type Database, integerAt, textAt } from "../../storage/database.ts";
import { LOG_SPAN } from "../../log/keys.ts";
import { subscriptionPath } from "./delivered-filter.ts";

/** Pending subjects of a subscription that are examined: with more of them, the first ones show how late it is. */
const MOST_LANES = 100;

const BASE = `(subscription.log * ${LOG_SPAN})`;

/**
 * When the oldest event was recorded that is to be delivered: after the cursor, of the first pending subjects before it, or in
 * the batch that is being delivered. Blocked subjects do not count, as in the lag of `state.ts`. The last column is the time
 * of the last acknowledged attempt, in milliseconds since 1970. Argument: JSON of the ids.
 */
export const MEASURE_SUBSCRIPTIONS = `
select subscription.id, subscription.created,
  (select recorded from events where key > ${BASE} + subscription.cursor and key <= ${BASE} + log.head order by key limit 1),
  (select min((select iif(event.key <= ${BASE} + subscription.cursor, event.recorded, null) from events as event
      where event.subject = pending.subject and event.version >= pending.next order by event.version limit 1))
    from (select lane.subject, lane.next from subscription_subjects as lane
      where lane.subscription = subscription.id and lane.attempts = 0 limit ${MOST_LANES}) as pending),
  (select min(event.recorded) from json_each(subscription.batch, '$.positions') as place
    cross join events as event on event.key = ${BASE} + place.value),
  (select max(attempt.value ->> '$.ended') from subscription_attempts as kept cross join json_each(kept.attempts) as attempt
    where kept.subscription = subscription.id and attempt.value ->> '$.error' is null)
from json_each(?1) as wanted
cross join subscriptions as subscription on subscription.id = wanted.value
cross join logs as log on log.id = subscription.log`;

/** Measures subscriptions by id. Those that were removed are missing. */
export async function measureSubscriptions(
  database: Database,
  ids: readonly string[],
): Promise<Measurement[]> {
  const rows = await database.read({ sql: MEASURE_SUBSCRIPTIONS, args: [JSON.stringify(ids)] });
  return rows.map((row) => {
    const id = textAt(row, 0);
    const times = [2, 3, 4].flatMap((column) => (row[column] === null ? [] : [textAt(row, column)]));
    return {
      name: id,
      resource: subscriptionPath(id),
      oldest: times.toSorted()[0] ?? null,
      active: row[5] === null ? textAt(row, 1) : new Date(integerAt(row, 5)).toISOString(),
    };
  });
}
