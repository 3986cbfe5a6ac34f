import {
  type Database,
  integerAt,
  type Row,
  textAt,
  textOrNullAt,
  integerOrNullAt,
} from "../../storage/database.ts";
import { logAddress } from "../../log/keys.ts";
import type { SubscriptionCreator } from "./creator.ts";
import type {
  EndpointTrouble,
  FrozenBatch,
  Rewind,
  StoredLane,
  StoredSecrets,
  SubjectTally,
  SubscriptionRecord,
  SubscriptionConfig,
} from "./subscription.ts";

const COLUMNS = `subscription.id, subscription.log, log.name, subscription.config, subscription.secrets,
  subscription.created, subscription.revision, subscription.epoch, subscription.status, subscription.reason,
  subscription.since, subscription.cursor, subscription.rewind, subscription.batch, subscription.trouble, subscription.tally,
  subscription.creator`;

const FROM = "from subscriptions as subscription cross join logs as log on log.id = subscription.log";

function parseColumn<Value>(value: unknown): Value | null {
  return typeof value === "string" ? (JSON.parse(value) as Value) : null;
}

function subscriptionOf(row: Row): SubscriptionRecord {
  const reason = row[9];
  return {
    id: textAt(row, 0),
    log: logAddress(integerAt(row, 1), textAt(row, 2)),
    config: JSON.parse(textAt(row, 3)) as SubscriptionConfig,
    secrets: JSON.parse(textAt(row, 4)) as StoredSecrets,
    created: textAt(row, 5),
    revision: integerAt(row, 6),
    epoch: integerAt(row, 7),
    status: textAt(row, 8) === "paused" ? "paused" : "active",
    reason: typeof reason === "string" ? reason : null,
    since: textAt(row, 10),
    cursor: integerAt(row, 11),
    rewind: parseColumn<Rewind>(row[12]),
    batch: parseColumn<FrozenBatch>(row[13]),
    trouble: parseColumn<EndpointTrouble>(row[14]),
    tally: parseColumn<SubjectTally>(row[15]),
    creator: parseColumn<SubscriptionCreator>(row[16]),
  };
}

/** Reads the subscription of this id; null for an unknown id. */
export async function readSubscription(database: Database, id: string): Promise<SubscriptionRecord | null> {
  const [row] = await database.read({
    sql: `select ${COLUMNS} ${FROM} where subscription.id = ?1`,
    args: [id],
  });
  return row === undefined ? null : subscriptionOf(row);
}

/** Lists subscriptions in order of id, after a cursor. */
export async function listSubscriptions(
  database: Database,
  { cursor, limit }: { cursor: string; limit: number },
): Promise<SubscriptionRecord[]> {
  const rows = await database.read({
    sql: `select ${COLUMNS} ${FROM} where subscription.id > ?1 order by subscription.id limit ?2`,
    args: [cursor, limit],
  });
  return rows.map(subscriptionOf);
}

export const LANE_COLUMNS = `lane.subject, lane.next, lane.stop, lane.resume, lane.frozen, lane.attempts, lane.due,
  lane.error, lane.since, lane.ahead, lane.wait`;

export function laneOf(row: Row): StoredLane {
  return {
    subject: integerAt(row, 0),
    next: integerAt(row, 1),
    stop: integerOrNullAt(row, 2),
    resume: integerOrNullAt(row, 3),
    frozen: integerOrNullAt(row, 4),
    attempts: integerAt(row, 5),
    due: integerOrNullAt(row, 6),
    wait: integerOrNullAt(row, 10),
    error: textOrNullAt(row, 7),
    since: textOrNullAt(row, 8),
    ahead: integerAt(row, 9) === 1,
  };
}

/** Rows that one query reads, so that no answer is large. */
const LANES_PAGE = 5_000;

/** Reads the subjects that are behind the subscription's cursor, a page at a time: there may be very many. */
export async function* readLanes(
  database: Database,
  subscription: string,
): AsyncGenerator<readonly StoredLane[]> {
  let lanes: StoredLane[];
  let last = -1;
  do {
    const rows = await database.read({
      sql: `select ${LANE_COLUMNS} from subscription_subjects as lane
        where lane.subscription = ?1 and lane.subject > ?2 order by lane.subject limit ${LANES_PAGE}`,
      args: [subscription, last],
    });
    lanes = rows.map(laneOf);
    last = lanes.at(-1)?.subject ?? last;
    yield lanes;
  } while (lanes.length === LANES_PAGE);
}

/** Whether a subscription has subjects behind its cursor. */
export async function hasLanes(database: Database, subscription: string): Promise<boolean> {
  const sql = "select 1 from subscription_subjects where subscription = ?1 limit 1";
  return (await database.read({ sql, args: [subscription] })).length > 0;
}

/** Arguments: id, base key of the log. */
const FIRST_UNACKNOWLEDGED = `
select min((select event.key from events as event
  where event.subject = lane.subject and event.version >= lane.next order by event.version limit 1)) - ?2
from subscription_subjects as lane where lane.subscription = ?1`;

/** Position before the first event that a subscription has yet to deliver, or to redeliver. */
export async function firstUnacknowledged(
  database: Database,
  { id, log, cursor, batch, rewind }: SubscriptionRecord,
): Promise<number> {
  const [row] = await database.read({ sql: FIRST_UNACKNOWLEDGED, args: [id, log.base] });
  const ofLanes = typeof row?.[0] === "number" ? [row[0] - 1] : [];
  const ofBatch = (batch?.positions ?? []).map((position) => position - 1);
  const ofRewind = rewind === null ? [] : [rewind.walked, ...(rewind.queued ?? []).map(({ after }) => after)];
  return Math.max(0, Math.min(cursor, ...ofLanes, ...ofBatch, ...ofRewind));
}
