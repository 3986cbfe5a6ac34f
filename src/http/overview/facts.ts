import { type AlarmState, readAlarmStates } from "../../administration/objectives/alarm-state.ts";
import { readObjectives, type StoredObjective } from "../../administration/objectives/stored-objectives.ts";
import type { Feed } from "../../feeds/feed.ts";
import type { FeedState } from "../../feeds/lifecycle/status.ts";
import { consumerPagesOfLogs } from "../../log/consumers/consumer-pages.ts";
import type { ConsumerRecord } from "../../log/consumers/consumers.ts";
import type { LogAddress } from "../../log/keys.ts";
import { listHealth, type SubscriptionHealth } from "../../webhooks/subscriptions/health.ts";
import { type ConsumerLimits, type ConsumerState, stateOfConsumer } from "../consumers/state.ts";
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
}

/** An objective that a consumer, feed or subscription misses. */
export interface MissedObjective extends Pick<
  AlarmState,
  "kind" | "name" | "resource" | "measure" | "since"
> {
  /** Of the value that is measured. */
  readonly limitSeconds: number;
  readonly contact: string | null;
}

/** Consumers of one log that are remembered because they do not keep up. */
const MOST_TROUBLED = 100;

/** Subscriptions that one query reads. */
const SUBSCRIPTIONS_PAGE = 500;

/** Counts the consumers of a log, and remembers the first ones that do not keep up. */
interface ConsumerCount extends LogConsumers {
  readonly counts: Record<ConsumerState, number>;
  readonly troubled: TroubledConsumer[];
  /** The limits that teams stated for consumers, by name. */
  readonly limits: ReadonlyMap<string, ConsumerLimits>;
}

function countOf({ name: log }: LogAddress, objectives: readonly StoredObjective[]): ConsumerCount {
  const stated = objectives.filter((one) => one.kind === "consumer" && (one.log ?? log) === log);
  return {
    log,
    counts: { "keeps-up": 0, late: 0, blocked: 0, silent: 0 },
    troubled: [],
    limits: new Map(stated.map((one) => [one.name, one])),
  };
}

function countConsumer(
  { counts, troubled, limits: limitsOf }: ConsumerCount,
  consumer: ConsumerRecord,
  nowMs: number,
): void {
  const limits = limitsOf.get(consumer.name);
  const state = stateOfConsumer(consumer, nowMs, limits);
  // Anyone who reads can choose a name: only a consumer that commits is missed when it is silent.
  if (state === "silent" && consumer.committed === null) return;
  counts[state] += 1;
  if (state === "keeps-up" || troubled.length === MOST_TROUBLED) return;
  // It misses its objective, which is a problem of its own.
  if (state === "late" && typeof limits?.lagSeconds === "number") return;
  if (state === "silent" && typeof limits?.silentSeconds === "number") return;
  const { name, seen, blocked, failure, lag } = consumer;
  troubled.push({ name, seen, blocked, failure, lag, state });
}

/** Reads the consumers of the logs that have some, together. */
async function consumersOf(
  { database, clock }: AppDeps,
  logs: readonly LogAddress[],
  objectives: readonly StoredObjective[],
): Promise<LogConsumers[]> {
  const shown = new Map(logs.map((log) => [log.id, log]));
  const counted = new Map<number, ConsumerCount>();
  for await (const page of consumerPagesOfLogs({ database, clock })) {
    const nowMs = clock.now();
    for (const { log: id, consumer } of page) {
      const log = shown.get(id);
      if (log === undefined) continue;
      const count = counted.get(id) ?? countOf(log, objectives);
      counted.set(id, count);
      countConsumer(count, consumer, nowMs);
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

/** Returns the missed ones of objectives, with their limits. */
function missedObjectives(
  states: readonly AlarmState[],
  objectives: readonly StoredObjective[],
): MissedObjective[] {
  return states.flatMap(({ kind, name, resource, measure, since, missed, contact }) => {
    const stated = objectives.find((one) => one.kind === kind && one.name === name);
    const limitSeconds = measure === "lag" ? stated?.lagSeconds : stated?.silentSeconds;
    if (!missed || typeof limitSeconds !== "number") return [];
    return [{ kind, name, resource, measure, since, limitSeconds, contact }];
  });
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
  const objectives = await readObjectives(database);
  const missed = missedObjectives(await readAlarmStates(database), objectives);
  const readers = [reader, await operations.reader(), ...opened.map(({ open }) => open.reader)];
  const logs = readers.map(({ address }) => address);
  const consumers = await consumersOf(deps, logs, objectives);
  return { readMs, head, feeds, consumers, subscriptions: await allHealth(deps), missed };
}
