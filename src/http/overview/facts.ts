import {
  type AlarmsOfConsumer,
  readConsumerAlarms,
} from "../../administration/objectives/consumer-alarms.ts";
import {
  type MissedObjective,
  readMissedObjectives,
} from "../../administration/objectives/missed-objectives.ts";
import { readObjectives, type StoredObjective } from "../../administration/objectives/stored-objectives.ts";
import type { Feed } from "../../feeds/feed.ts";
import type { FeedState } from "../../feeds/lifecycle/status.ts";
import { consumerPagesOfLogs } from "../../log/consumers/consumer-pages.ts";
import type { ConsumerRecord } from "../../log/consumers/consumers.ts";
import type { LogAddress } from "../../log/keys.ts";
import { listHealth, type SubscriptionHealth } from "../../webhooks/subscriptions/health.ts";
import { type ConsumerState, stateOfConsumer } from "../consumers/state.ts";
import type { AppDeps } from "../deps.ts";

/** A consumer that does not keep up. */
export interface TroubledConsumer extends Pick<
  ConsumerRecord,
  "name" | "seen" | "blocked" | "failure" | "lag"
> {
  readonly state: Exclude<ConsumerState, "keeps-up">;
}

/** The consumers of one log. */
export interface LogConsumers {
  /** Path of the log. */
  readonly log: string;
  readonly counts: Readonly<Record<ConsumerState, number>>;
  /** The first ones, in order of name. */
  readonly troubled: readonly TroubledConsumer[];
}

/** The state of a store, for all senders. */
export interface OverviewFacts {
  /** When it was read, in milliseconds since 1970. */
  readonly readMs: number;
  /** Head of the event log. */
  readonly head: number;
  readonly feeds: readonly { readonly feed: Feed; readonly state: FeedState }[];
  readonly consumers: readonly LogConsumers[];
  readonly subscriptions: readonly SubscriptionHealth[];
  /** The objectives that are missed. */
  readonly missed: readonly MissedObjective[];
  /** Objectives of subscriptions that the store does not have, so that nothing measures them. */
  readonly unknown: readonly StoredObjective[];
}

/** Consumers of one log that are remembered because they do not keep up. */
const MOST_TROUBLED = 100;

/** Subscriptions that one query reads. */
const SUBSCRIPTIONS_PAGE = 500;

/** Counts the consumers of a log, and remembers the first ones that do not keep up. */
interface ConsumerCount extends LogConsumers {
  readonly counts: Record<ConsumerState, number>;
  readonly troubled: TroubledConsumer[];
}

function countOf({ name: log }: LogAddress): ConsumerCount {
  return { log, counts: { "keeps-up": 0, late: 0, blocked: 0, silent: 0 }, troubled: [] };
}

function countConsumer(
  { log, counts, troubled }: ConsumerCount,
  consumer: ConsumerRecord,
  alarmsOf: AlarmsOfConsumer,
  nowMs: number,
): void {
  const alarms = alarmsOf(log, consumer.name);
  const state = stateOfConsumer(consumer, nowMs, alarms);
  // Anyone who reads can choose a name: one that neither commits nor has an objective is not missed when it is silent.
  if (state === "silent" && consumer.committed === null && alarms.silent === null) return;
  counts[state] += 1;
  if (state === "keeps-up" || troubled.length === MOST_TROUBLED) return;
  // It misses its objective, which is a problem of its own.
  if (state !== "blocked" && alarms[state] !== null) return;
  const { name, seen, blocked, failure, lag } = consumer;
  troubled.push({ name, seen, blocked, failure, lag, state });
}

/** Reads the consumers of the logs that have some, together. */
async function consumersOf(
  { database, clock }: AppDeps,
  logs: readonly LogAddress[],
  alarmsOf: AlarmsOfConsumer,
): Promise<LogConsumers[]> {
  const shown = new Map(logs.map((log) => [log.id, log]));
  const counted = new Map<number, ConsumerCount>();
  for await (const page of consumerPagesOfLogs({ database, clock })) {
    const nowMs = clock.now();
    for (const { log: id, consumer } of page) {
      const log = shown.get(id);
      if (log === undefined) continue;
      const count = counted.get(id) ?? countOf(log);
      counted.set(id, count);
      countConsumer(count, consumer, alarmsOf, nowMs);
    }
  }
  return logs.flatMap(({ id }) => counted.get(id) ?? []);
}

async function allHealth({ database, clock }: AppDeps): Promise<readonly SubscriptionHealth[]> {
  const all: SubscriptionHealth[] = [];
  for (let cursor: string | undefined = ""; cursor !== undefined;) {
    const page: SubscriptionHealth[] = await listHealth(database, { cursor, limit: SUBSCRIPTIONS_PAGE });
    all.push(...page);
    cursor = page.length < SUBSCRIPTIONS_PAGE ? undefined : page.at(-1)?.id;
    if (cursor !== undefined) await clock.yield();
  }
  return all;
}

/** Reads the state of a store. */
export async function readFacts(deps: AppDeps): Promise<OverviewFacts> {
  const { reader, operations, clock, database } = deps;
  const readMs = clock.now();
  const head = await reader.head();
  const states = await deps.feeds.states(deps.feeds.all);
  const opened = deps.feeds.all.flatMap((open) => {
    const state = states.get(open);
    return state === undefined ? [] : [{ open, state }];
  });
  const feeds = opened.map(({ open, state }) => ({ feed: open.feed, state }));
  const missed = await readMissedObjectives(database);
  const alarmsOf = await readConsumerAlarms(database);
  const readers = [reader, await operations.reader(), ...opened.map(({ open }) => open.reader)];
  const logs = readers.map(({ address }) => address);
  const consumers = await consumersOf(deps, logs, alarmsOf);
  const subscriptions = await allHealth(deps);
  const ids = new Set(subscriptions.map(({ id }) => id));
  const objectives = await readObjectives(database);
  const unknown = objectives.filter(({ kind, name }) => kind === "subscription" && !ids.has(name));
  return { readMs, head, feeds, consumers, subscriptions, missed, unknown };
}
