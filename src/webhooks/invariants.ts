import { type Invariant, isNotJsonOf, isNotOwnTime, REPAIR } from "../storage/invariant.ts";

const RECREATE = "Delete the subscription and create it again, with `kilde webhooks`.";
const REWIND = "Rewind the subscription with `kilde webhooks rewind`, or delete it and create it again.";

/** The rules of subscriptions and of the state of their subjects. */
export const SUBSCRIPTION_INVARIANTS: readonly Invariant[] = [
  {
    name: "subscriptions are within their log",
    remedy: REPAIR,
    sql: `select 'subscription ' || subscription.id || ': its cursor is ' || subscription.cursor || ', the head of ' || log.name || ' is '
        || log.head as detail
      from subscriptions as subscription join logs as log on log.id = subscription.log
      where subscription.cursor not between 0 and log.head`,
    repair: [
      `update subscriptions set epoch = epoch + 1, cursor = min(max(cursor, 0), (select head from logs where id = subscriptions.log))
      where cursor not between 0 and (select head from logs where id = subscriptions.log)`,
    ],
  },
  {
    name: "subscriptions can be read",
    remedy: RECREATE,
    sql: `select 'subscription ' || id || ': its record cannot be read' as detail from subscriptions
      where status not in ('active', 'paused') or ${isNotOwnTime("created")} or ${isNotOwnTime("since")}
        or ${["config", "secrets", "rewind", "batch", "trouble", "tally", "creator"].map((column) => isNotJsonOf("object", column)).join(" or ")}`,
  },
  {
    name: "attempts can be read",
    remedy: RECREATE,
    sql: `select 'subscription ' || subscription || ': its attempts cannot be read' as detail from subscription_attempts
      where ${isNotJsonOf("array", "attempts")}`,
  },
  {
    name: "kept attempts can be read",
    remedy: RECREATE,
    sql: `select 'subscription ' || subscription || ': a kept attempt cannot be read' as detail from kept_attempts
      where ${["subjects", "positions"].map((column) => isNotJsonOf("array", column)).join(" or ")} or ${isNotJsonOf("object", "headers")}`,
  },
  {
    name: "subjects of subscriptions are within their log",
    remedy: REWIND,
    sql: `select 'subscription ' || lane.subscription || ': ' || subject.name || ' is delivered from version ' || lane.next as detail
      from subscription_subjects as lane
      join subscriptions as subscription on subscription.id = lane.subscription
      join subjects as subject on subject.id = lane.subject
      where subject.log <> subscription.log or lane.next < 1 or lane.next > 1 +
        (select max(version) from events indexed by events_subject_version where subject = subject.id)`,
  },
];
