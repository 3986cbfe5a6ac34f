import { type Actor, authorship } from "../../administration/actor.ts";
import { entry, recordEntries } from "../../administration/entry.ts";
import { KildeError } from "../../core/errors.ts";
import type { Clock } from "../../core/clock.ts";
import type { Limits } from "../../core/limits.ts";
import { activeConsumers } from "../../log/consumers/consumers.ts";
import type { Database, Statement } from "../../storage/database.ts";
import { discardHistory } from "../../log/identity.ts";
import { type BatchWriter, writeUnplanned } from "../../storage/batch-writer.ts";
import {
  activeSubscriptions,
  pausedIn,
  pauseRetired,
  recordRetiredPauses,
} from "../../webhooks/subscriptions/source-log.ts";
import type { RegisteredFeed } from "./register.ts";

/** Names that an error lists. */
const LISTED_NAMES = 10;

interface RebuildDeps {
  readonly writer: BatchWriter;
  readonly clock: Clock;
}

export interface RetireDeps extends RebuildDeps {
  readonly database: Database;
  readonly limits: Pick<Limits, "consumerSeconds">;
  /** Resolves when the database has the activity of every consumer until now, of any process. */
  readonly flushActivity: () => Promise<void>;
  /** Called with each subscription that a retirement paused. */
  readonly onPaused: (subscription: string) => void;
}

/** Arguments: log id, the status that names the reason for the clearing. From then on, nothing can be written to the feed. */
export const BEGIN_CLEARING = `
update feeds set status = ?2, epoch = epoch + 1
where log = ?1 and status in ('building', 'live', 'halted') returning log`;

/** Followers of a log, in every process, end when its identity changes; their next request learns that it was retired. */
const IS_RETIRING = "exists (select 1 from feeds where log = ?1 and status = 'retiring')";

/** Arguments: log id, log id and stored definition of the draft that changed. */
export const BEGIN_REBUILDING = `
update feeds set status = 'rebuilding', epoch = epoch + 1
where log = ?1 and status in ('building', 'live', 'halted')
  and exists (select 1 from feeds where log = ?2 and definition is ?3)`;

function beginClearing(
  { log }: RegisteredFeed,
  status: "retiring" | "rebuilding",
  recorded: readonly Statement[],
): Statement[] {
  return [{ sql: BEGIN_CLEARING, args: [log.id, status] }, ...recorded, ...discardHistory(log, IS_RETIRING)];
}

/** A feed and all that are projected from it, directly or by way of others; each after the one it is projected from. */
export function withDependents(feed: RegisteredFeed, all: readonly RegisteredFeed[]): RegisteredFeed[] {
  const found = [feed];
  for (const one of found)
    found.push(...all.filter((other) => other.source.id === one.log.id && !found.includes(other)));
  return found;
}

function joinedNames(names: readonly string[]): string {
  const others = names.length - LISTED_NAMES;
  return `${names.slice(0, LISTED_NAMES).join(", ")}${others > 0 ? ` and ${others} others` : ""}`;
}

function refuseDelivered({ path }: RegisteredFeed["feed"], subscriptions: readonly string[]): void {
  if (subscriptions.length === 0) return;
  throw new KildeError("feed-in-use", `${path} is delivered by ${joinedNames(subscriptions)}`);
}

function refuseSource({ feed, log }: RegisteredFeed, all: readonly RegisteredFeed[]): void {
  const dependents = all.filter(({ source }) => source.id === log.id).map((other) => other.feed.path);
  if (dependents.length === 0) return;
  throw new KildeError("feed-in-use", `${feed.path} is the source of ${dependents.join(", ")}`);
}

async function refuseRead({ database, clock, limits }: RetireDeps, { feed, log }: RegisteredFeed) {
  const since = new Date(clock.now() - limits.consumerSeconds * 1_000).toISOString();
  const readers = await activeConsumers(database, log, since);
  if (readers.length === 0) return;
  const names = joinedNames(readers.map((name) => JSON.stringify(name)));
  throw new KildeError("feed-in-use", `${feed.path} has been read since ${since} by ${names}`);
}

/**
 * Hides a feed permanently and pauses its subscriptions; `clearAll` then deletes it. Throws `feed-in-use` while another feed is
 * projected from it and, unless forced, while an active subscription delivers it or a consumer has read it within its
 * window (`consumerSeconds`).
 */
export async function retireFeed(
  deps: RetireDeps,
  feed: RegisteredFeed,
  all: readonly RegisteredFeed[],
  { force, ...actor }: { readonly force: boolean } & Actor,
): Promise<void> {
  if (!force) {
    await deps.flushActivity();
    refuseDelivered(feed.feed, await activeSubscriptions(deps.database, feed.log));
  }
  refuseSource(feed, all);
  if (!force) await refuseRead(deps, feed);
  const now = new Date(deps.clock.now()).toISOString();
  const retired = entry(feed.log.name, "kilde.feed.retired", { ...authorship(actor), forced: force });
  const { rows } = await writeUnplanned(deps.writer, [
    ...beginClearing(feed, "retiring", recordEntries([retired], now, "changed")),
    ...recordRetiredPauses(feed.log, actor.by, now),
    pauseRetired(feed.log, now),
  ]);
  for (const id of pausedIn(rows.at(-1) ?? [])) deps.onPaused(id);
}

/**
 * Empties a draft and builds it again from its source, together with all feeds that are projected from it, which would
 * otherwise publish all events twice. Throws `feed-published` for any other feed, and `feed-in-use` if one of the others
 * is no draft.
 * @returns the feeds that are built again.
 */
export async function rebuildFeed(
  { writer, clock }: RebuildDeps,
  feed: RegisteredFeed,
  all: readonly RegisteredFeed[],
  { by: principal, reason }: Actor,
): Promise<readonly RegisteredFeed[]> {
  if (!feed.feed.draft) {
    const detail = `${feed.feed.path} is published: its events no longer change`;
    throw new KildeError("feed-published", detail);
  }
  const rebuilt = withDependents(feed, all);
  const published = rebuilt.filter((one) => !one.feed.draft).map((one) => one.feed.path);
  if (published.length > 0) {
    const detail = `${feed.feed.path} is the source of ${published.join(", ")}, which is published and cannot be built again`;
    throw new KildeError("feed-in-use", detail);
  }
  const now = new Date(clock.now()).toISOString();
  const recorded = ({ log }: RegisteredFeed) =>
    recordEntries([entry(log.name, "kilde.feed.rebuilt", { principal, reason })], now, "changed");
  await writeUnplanned(
    writer,
    rebuilt.flatMap((one) => beginClearing(one, "rebuilding", recorded(one))),
  );
  return rebuilt;
}
