import { readAccessState } from "../../access/access-state.ts";
import { readConsumerMarks } from "../../log/consumers/consumer-marks.ts";
import { readLogStates } from "../../log/log-state.ts";
import { readSubscriptionMarks, type SubscriptionMark } from "../../webhooks/subscriptions/marks.ts";
import type { AppDeps } from "../deps.ts";

/** The heads of all logs. */
export interface Heads {
  /** Identity of the event log: a restore renews it. */
  readonly identity: string;
  /** By the path of the log, of the event log and the feeds. */
  readonly logs: ReadonlyMap<string, number>;
  readonly operations: number;
}

/** The parts of a store besides its logs, as texts and numbers that differ after each change. */
export interface Marks {
  /** By id. */
  readonly subscriptions: ReadonlyMap<string, SubscriptionMark>;
  /** A text for the consumers of each log, by its path, which differs after each change. */
  readonly consumers: ReadonlyMap<string, string>;
  /** Differs after each change of a key. */
  readonly keys: number;
}

/** A store at one moment, as far as observers of changes need it. Never modified, so that observers share it. */
export interface StoreSnapshot extends Heads, Marks {}

export interface SnapshotDeps extends Pick<AppDeps, "database"> {
  readonly reader: Pick<AppDeps["reader"], "address">;
  readonly feeds: Pick<AppDeps["feeds"], "all">;
  readonly operations: Pick<AppDeps["operations"], "reader">;
}

/** Looks up the heads of all logs, with one query. */
export async function readHeads({ database, reader, feeds, operations }: SnapshotDeps): Promise<Heads> {
  const { address } = await operations.reader();
  const logs = [reader.address, ...feeds.all.map(({ log }) => log)];
  const states = await readLogStates(database, [address.id, ...logs.map(({ id }) => id)]);
  const heads = logs.flatMap(({ id, name }) => {
    const state = states.get(id);
    return state === undefined ? [] : [[name, state.head] as const];
  });
  return {
    identity: states.get(reader.address.id)?.identity ?? "",
    logs: new Map(heads),
    operations: states.get(address.id)?.head ?? 0,
  };
}

export async function readMarks({ database }: Pick<AppDeps, "database">): Promise<Marks> {
  const subscriptions = await readSubscriptionMarks(database);
  return {
    subscriptions: new Map(subscriptions.map((subscription) => [subscription.id, subscription])),
    consumers: await readConsumerMarks(database),
    keys: (await readAccessState(database)).revision,
  };
}

function isSameMap<Value>(one: ReadonlyMap<string, Value>, other: ReadonlyMap<string, Value>): boolean {
  return one.size === other.size && Array.from(one).every(([name, value]) => other.get(name) === value);
}

export function isSameHeads(one: Heads, other: Heads): boolean {
  const { identity, operations, logs } = one;
  return identity === other.identity && operations === other.operations && isSameMap(logs, other.logs);
}

function marksOf(subscriptions: Marks["subscriptions"]): ReadonlyMap<string, string> {
  return new Map(Array.from(subscriptions.values(), ({ id, mark }) => [id, mark]));
}

export function isSameMarks(one: Marks, other: Marks): boolean {
  const isSame = one.keys === other.keys && isSameMap(one.consumers, other.consumers);
  return isSame && isSameMap(marksOf(one.subscriptions), marksOf(other.subscriptions));
}
