import { type AlarmState, readAlarmStates } from "../../administration/objectives/alarm-state.ts";
import { readObjectives, type StoredObjective } from "../../administration/objectives/stored-objectives.ts";
import type { Feed } from "../../feeds/feed.ts";
import type { FeedState } from "../../feeds/lifecycle/status.ts";
import { readConsumedLogs } from "../../log/consumers/consumed-logs.ts";
import { consumerPages } from "../../log/consumers/consumer-pages.ts";
import type { ConsumerRecord } from "../../log/consumers/consumers.ts";
import type { LogReader } from "../../log/read/reader.ts";
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

/** The limits that a team stated for a consumer. */
type LimitsOf = (name: string) => ConsumerLimits | undefined;

async function consumersOf(
  { database, clock }: AppDeps,
  { address }: LogReader,
  limitsOf: LimitsOf,
): Promise<LogConsumers> {
  const counts: Record<ConsumerState, number> = { "keeps-up": 0, late: 0, blocked: 0, silent: 0 };
  const troubled: TroubledConsumer[] = [];
  for await (const page of consumerPages({ database, clock }, address)) {
    const nowMs = clock.now();
    for (const consumer of page) {
      const limits = limitsOf(consumer.name);
      const state = stateOfConsumer(consumer, nowMs, limits);
      // Anyone who reads can choose a name: only a consumer that commits is missed when it is silent.
      if (state === "silent" && consumer.committed === null) continue;
      counts[state] += 1;
      if (state === "keeps-up" || troubled.length === MOST_TROUBLED) continue;
      // It misses its objective, which is a problem of its own.
      if (state === "late" && typeof limits?.lagSeconds === "number") continue;
      if (state === "silent" && typeof limits?.silentSeconds === "number") continue;
      const { name, seen, blocked, failure, lag } = consumer;
      troubled.push({ name, seen, blocked, failure, lag, state });
    }
  }
  return { log: address.name, counts, troubled };
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
  const feeds: { feed: Feed; state: FeedState }[] = [];
  const logs = [reader, await operations.reader()];
  for (const open of deps.feeds.all) {
    const state = await deps.feeds.state(open);
    if (state === null) continue;
    feeds.push({ feed: open.feed, state });
    logs.push(open.reader);
  }
  const objectives = await readObjectives(database);
  const missed = missedObjectives(await readAlarmStates(database), objectives);
  // Most logs have no consumers, and a worker has few calls.
  const consumed = new Set((await readConsumedLogs(database)).map(({ id }) => id));
  const consumers: LogConsumers[] = [];
  for (const log of logs) {
    if (!consumed.has(log.address.id)) continue;
    const limits = new Map(
      objectives
        .filter((one) => one.kind === "consumer" && (one.log ?? log.address.name) === log.address.name)
        .map((one) => [one.name, one]),
    );
    consumers.push(await consumersOf(deps, log, (name) => limits.get(name)));
  }
  return { readMs, head, feeds, consumers, subscriptions: await allHealth(deps), missed };
}
