import { KildeError } from "../../core/errors.ts";
import { activeConsumers } from "../../log/consumers/consumers.ts";
import type { Database } from "../../storage/database.ts";
import { discardHistory } from "../../log/identity.ts";
import { type BatchWriter, writeUnplanned } from "../../storage/batch-writer.ts";
import type { RegisteredFeed } from "./register.ts";

/** Consumers that an error names. */
const NAMED_CONSUMERS = 10;

interface RetireDeps {
  readonly database: Database;
  readonly writer: BatchWriter;
}

/** Arguments: log id, the status that tells what is deleted for. Nobody can write to the feed from then on. */
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

async function begin(
  { writer }: RetireDeps,
  feeds: readonly RegisteredFeed[],
  status: "retiring" | "rebuilding",
): Promise<void> {
  await writeUnplanned(
    writer,
    feeds.flatMap(({ log }) => [
      { sql: BEGIN_CLEARING, args: [log.id, status] },
      ...discardHistory(log, IS_RETIRING),
    ]),
  );
}

/** A feed and all that are projected from it, directly or by way of others; each after the one it is projected from. */
export function withDependents(feed: RegisteredFeed, all: readonly RegisteredFeed[]): RegisteredFeed[] {
  const found = [feed];
  for (const one of found)
    found.push(...all.filter((other) => other.source.id === one.log.id && !found.includes(other)));
  return found;
}

function listed(names: readonly string[]): string {
  const some = names.slice(0, NAMED_CONSUMERS).map((name) => JSON.stringify(name));
  const others = names.length - some.length;
  return `${some.join(", ")}${others > 0 ? ` and ${others} others` : ""}`;
}

/**
 * Hides a feed for good; `clearAll` then deletes it. Throws `feed-in-use` while another feed is projected from it, or
 * somebody read it since a time (RFC 3339; null: whoever reads it).
 */
export async function retireFeed(
  deps: RetireDeps,
  feed: RegisteredFeed,
  all: readonly RegisteredFeed[],
  readSince: string | null,
): Promise<void> {
  const { path } = feed.feed;
  const dependents = all.filter(({ source }) => source.id === feed.log.id).map((other) => other.feed.path);
  if (dependents.length > 0) {
    throw new KildeError("feed-in-use", `${path} is the source of ${dependents.join(", ")}`);
  }
  const readers = readSince === null ? [] : await activeConsumers(deps.database, feed.log, readSince);
  if (readers.length > 0) {
    throw new KildeError("feed-in-use", `${path} has been read since ${readSince} by ${listed(readers)}`);
  }
  await begin(deps, [feed], "retiring");
}

/**
 * Has a draft built again from its source, and with it all feeds that are projected from it, which would publish all of
 * it twice otherwise. Throws `feed-published` for any other feed, and `feed-in-use` if one of the others is no draft.
 * @returns the feeds that are built again.
 */
export async function rebuildFeed(
  deps: RetireDeps,
  feed: RegisteredFeed,
  all: readonly RegisteredFeed[],
): Promise<readonly RegisteredFeed[]> {
  if (!feed.feed.draft) {
    const detail = `${feed.feed.path} is published: what it says does not change any more`;
    throw new KildeError("feed-published", detail);
  }
  const rebuilt = withDependents(feed, all);
  const published = rebuilt.filter((one) => !one.feed.draft).map((one) => one.feed.path);
  if (published.length > 0) {
    const detail = `${feed.feed.path} is the source of ${published.join(", ")}, which is published and cannot be built again`;
    throw new KildeError("feed-in-use", detail);
  }
  await begin(deps, rebuilt, "rebuilding");
  return rebuilt;
}
