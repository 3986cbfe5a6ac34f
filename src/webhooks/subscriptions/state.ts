import { type Database, integerAt, type Row, type Statement, textAt } from "../../storage/database.ts";
import { readTogether } from "../../storage/read-together.ts";
import type { LogAddress } from "../../log/keys.ts";
import type { AttemptRecord } from "./attempts.ts";
import { LANE_COLUMNS, laneOf } from "./record.ts";
import type { StoredLane, SubscriptionRecord } from "./subscription.ts";

/* The state of a subscription for display. All of it is read from storage, so that any process can answer. */

/** A subscription that is at most this many events behind counts as caught up. */
const CATCHING_UP_EVENTS = 1_000;

/** With more blocked subjects, pending events before the cursor are not counted. */
const MANY_BLOCKED = 10_000;

/**
 * Status of a subscription:
 * - `active`: caught up with its log
 * - `catching-up`: far behind, or redelivering
 * - `failing`: its endpoint is down, or rejects events of some subjects; or no key opens its secrets
 * - `paused`: by request; because the endpoint answered 410 (`gone`); or because its creator may no longer read the source
 */
export const SUBSCRIPTION_STATUSES = ["active", "catching-up", "failing", "paused"] as const;

export type SubscriptionStatus = (typeof SUBSCRIPTION_STATUSES)[number];

export interface SubscriptionState {
  readonly status: SubscriptionStatus;
  /** Why it is failing or paused; null otherwise. */
  readonly reason: string | null;
  /** Every event up to this position is delivered, except those of subjects that are blocked or redelivered. */
  readonly cursor: number;
  readonly lag: {
    /** Positions after the cursor, and pending or redelivered events up to it. */
    readonly events: number;
    /** Age of the oldest of them; 0 when there is none. */
    readonly seconds: number;
  };
  /** Subjects with a rejected event. */
  readonly blocked: number;
}

/** Arguments: id, base key, cursor. */
export const SELECT_STATE = `
select log.head,
  (select recorded from events where key > ?2 + ?3 and key <= ?2 + log.head order by key limit 1),
  (select count(*) from subscription_subjects where subscription = ?1 and attempts > 0)
from subscriptions as subscription cross join logs as log on log.id = subscription.log
where subscription.id = ?1`;

/**
 * Arguments: id, base key, cursor, JSON of the positions of the frozen batch. Counts the pending events up to the
 * cursor, except those of blocked subjects, and returns when the first one was recorded.
 */
export const SELECT_BEFORE_CURSOR = `
with behind as materialized (
  select lane.subject, lane.next, min(coalesce(lane.stop, ${Number.MAX_SAFE_INTEGER}), (
    select event.version from events as event where event.subject = lane.subject and event.key <= ?2 + ?3
    order by event.version desc limit 1)) as last
  from subscription_subjects as lane where lane.subscription = ?1 and lane.attempts = 0)
select
  (select coalesce(sum(last - next + 1), 0) from behind where last >= next) + (
    select count(*) from json_each(?4) where value <= ?3),
  (select min(recorded) from (
    select (select event.recorded from events as event where event.subject = behind.subject
      and event.version >= behind.next order by event.version limit 1) as recorded
    from behind where last >= next
    union all
    select event.recorded from json_each(?4) as place cross join events as event on event.key = ?2 + place.value))`;

/** The events of a subscription up to its cursor that are not delivered. */
interface BeforeCursor {
  readonly events: number;
  /** RFC 3339; null: there are none. */
  readonly oldest: string | null;
}

const NONE_BEFORE: BeforeCursor = { events: 0, oldest: null };

function beforeCursorStatement({ id, log, cursor, batch }: SubscriptionRecord): Statement {
  const args = [id, log.base, cursor, JSON.stringify(batch?.positions ?? [])];
  return { sql: SELECT_BEFORE_CURSOR, args };
}

function beforeCursorIn(row: Row | undefined): BeforeCursor {
  const oldest = row?.[1];
  return { events: integerAt(row, 0), oldest: typeof oldest === "string" ? oldest : null };
}

/** The part of a state that one query reads: the events after the cursor, and the number of blocked subjects. */
interface AfterCursor {
  readonly events: number;
  /** RFC 3339; null: there are none. */
  readonly oldest: string | null;
  readonly blocked: number;
}

function afterCursorIn(row: Row | undefined, cursor: number): AfterCursor {
  if (row === undefined) return { events: 0, oldest: null, blocked: 0 };
  const oldest = row[1];
  return {
    events: Math.max(0, integerAt(row, 0) - cursor),
    oldest: typeof oldest === "string" ? oldest : null,
    blocked: integerAt(row, 2),
  };
}

/**
 * Whether the pending events before the cursor are not counted: that takes time in proportion to the events after it and to the
 * blocked subjects; beside many of those they matter little.
 */
function isFar({ events, blocked }: AfterCursor): boolean {
  return events > CATCHING_UP_EVENTS || blocked > MANY_BLOCKED;
}

function stateFrom(
  { cursor, status, reason, rewind, trouble }: SubscriptionRecord,
  after: AfterCursor,
  before: BeforeCursor,
  nowMs: number,
): SubscriptionState {
  const { blocked } = after;
  const events = after.events + before.events;
  const times = [after.oldest, before.oldest].flatMap((time) => (time === null ? [] : [Date.parse(time)]));
  const seconds = times.length === 0 ? 0 : Math.max(0, nowMs - Math.min(...times)) / 1_000;
  const rest = { cursor, lag: { events, seconds }, blocked };
  if (status === "paused") return { status, reason, ...rest };
  if (trouble !== null) return { status: "failing", reason: `endpoint: ${trouble.error}`, ...rest };
  if (blocked > 0) return { status: "failing", reason: "blocked subjects", ...rest };
  const isBehind = events > CATCHING_UP_EVENTS || rewind !== null;
  return { status: isBehind ? "catching-up" : "active", reason: null, ...rest };
}

/** Reads the current states of subscriptions together, in their order. */
export async function statesOf(
  database: Database,
  subscriptions: readonly SubscriptionRecord[],
  nowMs: number,
): Promise<readonly SubscriptionState[]> {
  const states = subscriptions.map(({ id, log, cursor }): Statement => ({
    sql: SELECT_STATE,
    args: [id, log.base, cursor],
  }));
  const rows = await readTogether(database, states);
  const after = subscriptions.map(({ cursor }, index) => afterCursorIn(rows[index]?.[0], cursor));
  const near = subscriptions.filter((_, index) => {
    const found = after[index];
    return found !== undefined && !isFar(found);
  });
  const counted = await readTogether(database, near.map(beforeCursorStatement));
  const before = new Map(near.map(({ id }, index) => [id, beforeCursorIn(counted[index]?.[0])]));
  return subscriptions.flatMap((one, index) => {
    const found = after[index];
    return found === undefined ? [] : [stateFrom(one, found, before.get(one.id) ?? NONE_BEFORE, nowMs)];
  });
}

/** A subject with a rejected event. */
export interface BlockedSubjectRow {
  readonly name: string;
  /** Version of the rejected event. */
  readonly version: number;
  readonly position: number;
  readonly lane: StoredLane;
}

/** The next event of a lane. Where the subscription selects types, events of other types are skipped. */
function nextEvent({ filter: { types } }: SubscriptionRecord["config"], args: (string | number)[]): string {
  const ofType =
    types === undefined
      ? ""
      : `and event.type in (select value from json_each(?${args.push(JSON.stringify(types))}))`;
  return `select event.key, event.version from events as event
    where event.subject = lane.subject and event.version >= lane.next ${ofType} order by event.version limit 1`;
}

/** Lists blocked subjects, in order of name, after a cursor. */
export async function listBlocked(
  database: Database,
  { id, log, config }: SubscriptionRecord,
  { cursor, limit, name }: { readonly cursor: string; readonly limit: number; readonly name: string | null },
): Promise<BlockedSubjectRow[]> {
  const args: (string | number)[] = [id, cursor, limit];
  const test = name === null ? "subject.name > ?2" : `subject.name = ?${args.push(name)}`;
  const next = nextEvent(config, args);
  const part = (column: string) => `(select ${column} from (${next}) as event)`;
  const rows = await database.read({
    sql: `select ${LANE_COLUMNS}, subject.name, coalesce(${part("key")}, ?${args.push(log.base)}), coalesce(${part("version")}, lane.next)
      from subscription_subjects as lane cross join subjects as subject on subject.id = lane.subject
      where lane.subscription = ?1 and lane.attempts > 0 and ${test} order by subject.name limit ?3`,
    args,
  });
  return rows.map((row) => ({
    lane: laneOf(row),
    name: textAt(row, 11),
    position: integerAt(row, 12) - log.base,
    version: integerAt(row, 13),
  }));
}

/** A skipped event. */
export interface Skip {
  readonly subject: string;
  readonly version: number;
  readonly time: string;
  readonly attempts: number;
  readonly error: string | null;
}

function skipOf(row: Row): Skip {
  const error = row[4];
  return {
    subject: textAt(row, 0),
    version: integerAt(row, 1),
    time: textAt(row, 2),
    attempts: integerAt(row, 3),
    error: typeof error === "string" ? error : null,
  };
}

/** Lists skipped events, the latest first. */
export async function listSkips(database: Database, subscription: string, limit: number): Promise<Skip[]> {
  const rows = await database.read({
    sql: `select subject.name, skip.version, skip.time, skip.attempts, skip.error
      from subscription_skips as skip cross join subjects as subject on subject.id = skip.subject
      where skip.subscription = ?1 order by skip.time desc, subject.name, skip.version desc limit ?2`,
    args: [subscription, limit],
  });
  return rows.map(skipOf);
}

/** Lists the latest attempts, in order of time. */
export async function listAttempts(database: Database, subscription: string): Promise<AttemptRecord[]> {
  const [row] = await database.read({
    sql: "select attempts from subscription_attempts where subscription = ?1",
    args: [subscription],
  });
  return row === undefined ? [] : (JSON.parse(textAt(row, 0)) as AttemptRecord[]);
}

/** Positions that one query counts or examines. */
const WINDOW = 10_000;

/**
 * Position of the last event that was recorded before a time (UTC, ms). In the event log recorded times grow with
 * positions. In a feed they do not, and the position before the first event at or after that time counts.
 */
export async function positionBefore(
  database: Database,
  log: LogAddress,
  head: number,
  time: string,
): Promise<number> {
  for (let low = 0; low < head; low += WINDOW) {
    const [row] = await database.read({
      sql: "select min(key) - ?1 from events where key > ?1 + ?2 and key <= ?1 + ?3 and recorded >= ?4",
      args: [log.base, low, Math.min(head, low + WINDOW), time],
    });
    if (typeof row?.[0] === "number") return row[0] - 1;
  }
  return head;
}
