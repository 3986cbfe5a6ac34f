import { type Database, integerAt, type Row, textAt } from "../log/database.ts";
import { logAddress } from "../log/keys.ts";
import type {
  EndpointTrouble,
  FrozenBatch,
  Rewind,
  StoredLane,
  StoredSecrets,
  Subscription,
  SubscriptionConfig,
} from "./subscription.ts";

const COLUMNS = `subscription.id, subscription.log, log.name, subscription.config, subscription.secrets,
  subscription.created, subscription.revision, subscription.epoch, subscription.status, subscription.reason,
  subscription.since, subscription.cursor, subscription.rewind, subscription.batch, subscription.trouble`;

const FROM = "from subscriptions as subscription cross join logs as log on log.id = subscription.log";

function parsed<Value>(value: unknown): Value | null {
  return typeof value === "string" ? (JSON.parse(value) as Value) : null;
}

function subscriptionOf(row: Row): Subscription {
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
    rewind: parsed<Rewind>(row[12]),
    batch: parsed<FrozenBatch>(row[13]),
    trouble: parsed<EndpointTrouble>(row[14]),
  };
}

/** The subscription of this id; null when there is none. */
export async function readSubscription(database: Database, id: string): Promise<Subscription | null> {
  const [row] = await database.read({
    sql: `select ${COLUMNS} ${FROM} where subscription.id = ?1`,
    args: [id],
  });
  return row === undefined ? null : subscriptionOf(row);
}

/** Subscriptions in order of id, after a cursor. */
export async function listSubscriptions(
  database: Database,
  { cursor, limit }: { cursor: string; limit: number },
): Promise<Subscription[]> {
  const rows = await database.read({
    sql: `select ${COLUMNS} ${FROM} where subscription.id > ?1 order by subscription.id limit ?2`,
    args: [cursor, limit],
  });
  return rows.map(subscriptionOf);
}

function integerOrNull(row: Row, column: number): number | null {
  return row[column] === null ? null : integerAt(row, column);
}

function textOrNull(row: Row, column: number): string | null {
  return row[column] === null ? null : textAt(row, column);
}

export const LANE_COLUMNS = `lane.subject, lane.next, lane.stop, lane.resume, lane.frozen, lane.attempts, lane.due,
  lane.error, lane.since, lane.ahead, lane.wait`;

export function laneOf(row: Row): StoredLane {
  return {
    subject: integerAt(row, 0),
    next: integerAt(row, 1),
    stop: integerOrNull(row, 2),
    resume: integerOrNull(row, 3),
    frozen: integerOrNull(row, 4),
    attempts: integerAt(row, 5),
    due: integerOrNull(row, 6),
    wait: integerOrNull(row, 10),
    error: textOrNull(row, 7),
    since: textOrNull(row, 8),
    ahead: integerAt(row, 9) === 1,
  };
}

/** Subjects that are not where the subscription's cursor is. Bounded by `limits.blockedSubjects`. */
export async function readLanes(database: Database, subscription: string): Promise<StoredLane[]> {
  const rows = await database.read({
    sql: `select ${LANE_COLUMNS} from subscription_subjects as lane where lane.subscription = ?1`,
    args: [subscription],
  });
  return rows.map(laneOf);
}
