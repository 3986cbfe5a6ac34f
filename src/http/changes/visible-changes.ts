import { covers, needOf, NEEDS_ADMIN, subjectPrefixes } from "../../access/need.ts";
import type { Principal } from "../../access/principal.ts";
import { OPERATIONS_PATH } from "../../administration/operations-log.ts";
import { grantText } from "../../access/grant.ts";
import type { SubscriptionMark } from "../../webhooks/subscriptions/marks.ts";
import type { AppDeps } from "../deps.ts";
import { seesFeed } from "../feeds/feed-access.ts";
import { type DeliveredPart, seesSubscription } from "../subscriptions/subscription-access.ts";
import type { StoreSnapshot } from "./snapshot.ts";

/** The parts of a store that an observer may learn of. */
export interface Sight {
  /** The same for senders that see the same. */
  readonly key: string;
  readonly seesLog: (path: string) => boolean;
  readonly seesConsumersOf: (path: string) => boolean;
  readonly seesSubscription: (subscription: DeliveredPart) => boolean;
  readonly seesOperations: boolean;
  readonly seesKeys: boolean;
}

/** Returns what a principal may learn of. It is asked for once: a stream ends when the grants of its sender change. */
export function sightOf(deps: Pick<AppDeps, "feeds">, principal: Principal): Sight {
  const { grants } = principal;
  const readsEvents = subjectPrefixes(grants, "/events") !== null;
  const feeds = new Set(deps.feeds.all.flatMap(({ feed }) => (seesFeed(principal, feed) ? [feed.path] : [])));
  const managesSubscriptions = covers(grants, needOf("manage", "/subscriptions"));
  return {
    key: grants.map(grantText).toSorted().join("\n"),
    seesLog: (path) => (path === "/events" ? readsEvents : feeds.has(path)),
    seesConsumersOf: (path) => covers(grants, needOf("manage", path)),
    seesSubscription: (subscription) =>
      managesSubscriptions && seesSubscription(deps, principal, subscription),
    seesOperations: covers(grants, needOf("read", OPERATIONS_PATH)),
    seesKeys: covers(grants, NEEDS_ADMIN),
  };
}

/** The changes of a store since the message before. A member is missing where nothing changed. */
export interface VisibleChanges {
  /** New heads, by the path of the log. */
  readonly logs?: Readonly<Record<string, number>>;
  /** New head of the log of administration. */
  readonly operations?: number;
  /** Ids of the subscriptions that were created, changed or removed, or delivered something. */
  readonly subscriptions?: readonly string[];
  /** Consumers read, committed, or were forgotten. */
  readonly consumers?: true;
  /** A number that differs after each change of a key. */
  readonly keys?: number;
}

function changedLogs(before: StoreSnapshot | null, now: StoreSnapshot, { seesLog }: Sight) {
  return Array.from(now.logs).filter(([path, head]) => before?.logs.get(path) !== head && seesLog(path));
}

/** Those that were created, changed or removed. */
function changedSubscriptions(before: StoreSnapshot, now: StoreSnapshot): readonly SubscriptionMark[] {
  if (before.subscriptions === now.subscriptions) return [];
  const current = Array.from(now.subscriptions.values());
  const changed = current.filter(({ id, mark }) => before.subscriptions.get(id)?.mark !== mark);
  const removed = Array.from(before.subscriptions.values()).filter(({ id }) => !now.subscriptions.has(id));
  return [...changed, ...removed];
}

function haveConsumersChanged(before: StoreSnapshot, now: StoreSnapshot, sight: Sight): boolean {
  if (before.consumers === now.consumers) return false;
  const paths = new Set([...before.consumers.keys(), ...now.consumers.keys()]);
  return Array.from(paths).some(
    (path) => before.consumers.get(path) !== now.consumers.get(path) && sight.seesConsumersOf(path),
  );
}

/**
 * Returns the visible changes between two snapshots. `changed`: the subscriptions that changed in between. The first message of a stream, without a snapshot before, has every head,
 * and no subscriptions and consumers: the observer reads those after it.
 */
function changesBetween(
  before: StoreSnapshot | null,
  now: StoreSnapshot,
  changed: readonly SubscriptionMark[],
  sight: Sight,
): VisibleChanges {
  const logs = changedLogs(before, now, sight);
  const subscriptions = changed.filter((one) => sight.seesSubscription(one)).map(({ id }) => id);
  const hasConsumers = before !== null && haveConsumersChanged(before, now, sight);
  return {
    ...(logs.length === 0 ? {} : { logs: Object.fromEntries(logs) }),
    ...(sight.seesOperations && before?.operations !== now.operations ? { operations: now.operations } : {}),
    ...(subscriptions.length === 0 ? {} : { subscriptions }),
    ...(hasConsumers ? { consumers: true as const } : {}),
    ...(sight.seesKeys && before?.keys !== now.keys ? { keys: now.keys } : {}),
  };
}

const ENCODER = new TextEncoder();

/** The changes between two snapshots. */
interface Comparison {
  readonly changed: readonly SubscriptionMark[];
  /** Messages by the key of the sight; null: nothing visible changed. */
  readonly messages: Map<string, Uint8Array<ArrayBuffer> | null>;
}

/** Stands for the snapshot before the first message. */
const NONE = {};

/** Weak, so that a snapshot is kept only while a stream has it. */
const COMPARISONS = new WeakMap<StoreSnapshot, WeakMap<object, Comparison>>();

function comparisonOf(before: StoreSnapshot | null, now: StoreSnapshot): Comparison {
  const known = COMPARISONS.get(now) ?? new WeakMap<object, Comparison>();
  COMPARISONS.set(now, known);
  const comparison = known.get(before ?? NONE) ?? {
    changed: before === null ? [] : changedSubscriptions(before, now),
    messages: new Map(),
  };
  known.set(before ?? NONE, comparison);
  return comparison;
}

/**
 * Returns the message about the visible changes between two snapshots, and whether another stream has the same bytes; null:
 * nothing visible changed. Streams share comparisons and messages, so that a stream costs little more than its bytes however
 * many subscriptions there are.
 */
export function changesMessage(
  before: StoreSnapshot | null,
  now: StoreSnapshot,
  sight: Sight,
): { readonly bytes: Uint8Array<ArrayBuffer>; readonly shared: boolean } | null {
  const { changed, messages } = comparisonOf(before, now);
  const known = messages.get(sight.key);
  if (known !== undefined) return known === null ? null : { bytes: known, shared: true };
  const changes = changesBetween(before, now, changed, sight);
  const isEmpty = before !== null && Object.keys(changes).length === 0;
  const bytes = isEmpty ? null : ENCODER.encode(`event: changes\ndata: ${JSON.stringify(changes)}\n\n`);
  messages.set(sight.key, bytes);
  return bytes === null ? null : { bytes, shared: false };
}
