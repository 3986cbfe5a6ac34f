import { entry, recordEntries } from "../../administration/entry.ts";
import type { Clock } from "../../core/clock.ts";
import { type Database, integerAt, type Statement } from "../../storage/database.ts";
import { readOfAll } from "../../storage/read-of-all.ts";
import { writeTogether } from "../../storage/write-together.ts";
import type { LogAddress } from "../../log/keys.ts";
import { FeedDefinitionsError } from "../define/compile-all.ts";
import type { Feed } from "../feed.ts";
import { IncompatibleContractError, promotion } from "./published-contract.ts";
import { sameJson } from "./same-json.ts";
import { BEGIN_REBUILDING, withDependents } from "../lifecycle/retire.ts";
import type { RegisteredFeed } from "../lifecycle/register.ts";

/*
 * The stored part of a definition, which detects changes after a restart. Published events stay: so the source and the
 * key of a published version must not change, and a draft whose definition changes is built again.
 */

interface Definition {
  readonly draft: boolean;
  readonly source: string;
  readonly prefixes: readonly string[];
  readonly rekeyed: boolean;
  /** `RegisteredFeed.tracked`, which another feed may decide; absent in definitions that an earlier version stored. */
  readonly tracked?: boolean;
  /** Of a draft: a published version has them in its published contract. */
  readonly schemas?: unknown;
}

function definitionOf({ feed, tracked }: RegisteredFeed): Definition {
  const { draft, source, rekeyed, schemas } = feed;
  const { log, prefixes } = source;
  return { draft, source: log, prefixes, rekeyed, tracked, ...(draft ? { schemas } : {}) };
}

interface StoredDefinition {
  readonly text: string | null;
  /** Published events exist. */
  readonly hasEvents: boolean;
  /** Consumers may rely on a contract already. */
  readonly hasPublishedContract: boolean;
  /** Some of the source is projected, even if nothing was published of it. */
  readonly hasProjected: boolean;
}

/** Arguments: JSON array of log ids. */
const SELECT_DEFINITIONS = `
select feed.log, feed.definition, log.head > feed.cleared, feed.schemas <> '{}', feed.cursor > 0
from json_each(?1) as wanted
cross join feeds as feed on feed.log = wanted.value
cross join logs as log on log.id = feed.log`;

/** Reads the definitions of feeds together. Returns a function that looks up one of them. */
async function readDefinitions(
  database: Database,
  registered: readonly RegisteredFeed[],
): Promise<(feed: RegisteredFeed) => StoredDefinition> {
  const logs = registered.map(({ log }) => log.id);
  const rows = await readOfAll(database, SELECT_DEFINITIONS, logs);
  const found = new Map(rows.map((row) => [integerAt(row, 0), row]));
  return ({ log }) => {
    const row = found.get(log.id);
    const text = row?.[1];
    return {
      text: typeof text === "string" ? text : null,
      hasEvents: row?.[2] === 1,
      hasPublishedContract: row?.[3] === 1,
      hasProjected: row?.[4] === 1,
    };
  };
}

/** Arguments: log id, definition, the one before. */
const KEEP_DEFINITION = "update feeds set definition = ?2 where log = ?1 and definition is ?3";

/** Processes that project the feed by the definition before notice it by the revision, which is none of their contracts. */
const CHANGE_DEFINITION = `
update feeds set definition = ?2,
  promised = 1 + max(promised, coalesce((select max(revision) from feed_contracts where log = ?1), 0))
where log = ?1 and definition is ?3`;

/**
 * The same, for a feed that has to track its origins from now on: `tracing.ts` finds those of what it has published. Arguments:
 * log id, definition, the one before.
 */
const TRACK_ORIGINS = `
update feeds set definition = ?2, traced = 0,
  promised = 1 + max(promised, coalesce((select max(revision) from feed_contracts where log = ?1), 0))
where log = ?1 and definition is ?3`;

/** Whether a published feed has tracked its origins: it does not end to, since some of its events came from what it tracked. */
export function wasTracked({ draft }: Feed, definition: string | null): boolean {
  return !draft && definition !== null && (JSON.parse(definition) as Definition).tracked === true;
}

/** Whether a feed tracks its origins only because an erased stream is published as something else in its source. */
function isTrackedByReplacement({ feed, tracked, upstream }: RegisteredFeed): boolean {
  if (!tracked || feed.rekeyed || upstream === null) return false;
  return upstream.feed.replacesErased && !upstream.tracked ? true : isTrackedByReplacement(upstream);
}

function described({ source, prefixes, rekeyed }: Definition): string {
  const streams = prefixes.length === 0 ? source : `${source}, streams ${prefixes.join(", ")}`;
  return `${streams}, ${rekeyed ? "by subjects of its own" : "by its subjects"}`;
}

function isSameSource(before: Definition, now: Definition): boolean {
  const { tracked = now.tracked } = before;
  return sameJson({ ...before, tracked, draft: null, schemas: null }, { ...now, draft: null, schemas: null });
}

/**
 * Whether a feed is projected by its stored definition. Another release may have changed a draft, or given a feed
 * another source before it published anything.
 */
export async function isProjectedAsStored(database: Database, registered: RegisteredFeed): Promise<boolean> {
  const { text } = (await readDefinitions(database, [registered]))(registered);
  if (text === null) return true;
  const [stored, own] = [JSON.parse(text) as Definition, definitionOf(registered)];
  if (!isSameSource(stored, own)) return false;
  return !own.draft || (stored.draft && sameJson(stored.schemas, own.schemas));
}

/** Whether nothing changes but that the feed has to track its origins from now on. */
function startsTracking(registered: RegisteredFeed, before: Definition | null, now: Definition): boolean {
  if (!isTrackedByReplacement(registered)) return false;
  if (before === null) return true;
  const isPublished = !before.draft && !now.draft;
  return isPublished && before.tracked !== true && isSameSource({ ...before, tracked: true }, now);
}

function brokenSource(feed: Feed, before: Definition, now: Definition): IncompatibleContractError {
  const detail = `it was projected from ${described(before)}, and is now from ${described(now)}`;
  return new IncompatibleContractError(feed, [
    { type: "source", pointer: "", rule: "source-changed", detail },
  ]);
}

/** A change of a definition, to be written. */
interface Change {
  readonly statements: readonly Statement[];
  /** The definition that it replaces. */
  readonly before: string | null;
  /** The feed's events, or the states of its subjects, have to be built again. */
  readonly rebuilds: boolean;
  /** The feed has published something by the definition before. */
  readonly hasEvents: boolean;
  /** The contract compares differently with the published one afterwards. */
  readonly changesStanding: boolean;
}

/**
 * Compares the definition of a feed with the stored one; null: it is the same. Throws a {@link IncompatibleContractError} for a
 * published version that has events of another source.
 */
function changeOf(registered: RegisteredFeed, stored: StoredDefinition): Change | null {
  const { feed, log, contract } = registered;
  const { text, hasEvents, hasPublishedContract, hasProjected } = stored;
  const now = definitionOf(registered);
  const args = [log.id, JSON.stringify(now), text];
  const before = text === null ? null : (JSON.parse(text) as Definition);
  const isSame = before !== null && sameJson(before, now);
  // A draft that is published as it is: consumers may rely on its contract from now on.
  const promotes = hasEvents && !hasPublishedContract && !feed.draft && contract.standing === "newer";
  const keep = (): Change | null => {
    if (isSame && !promotes) return null;
    const promoted = promotion(feed, log, contract.revision, { raisesEpoch: true, definition: text });
    const statements = [...(promotes ? [promoted] : []), { sql: KEEP_DEFINITION, args }];
    return { statements, before: text, rebuilds: false, hasEvents, changesStanding: promotes };
  };
  if (isSame) return keep();
  if (hasProjected && startsTracking(registered, before, now)) {
    const statements = [{ sql: TRACK_ORIGINS, args }];
    return { statements, before: text, rebuilds: false, hasEvents, changesStanding: true };
  }
  if (before === null) return keep();
  const change = { before: text, hasEvents, rebuilds: true, changesStanding: true };
  const rebuild = { ...change, statements: [{ sql: CHANGE_DEFINITION, args }] };
  if (!isSameSource(before, now)) {
    if (hasEvents && !before.draft) throw brokenSource(feed, before, now);
    return rebuild;
  }
  const isSameContract = !before.draft || sameJson(before.schemas, feed.schemas);
  return isSameContract ? keep() : rebuild;
}

function recordRebuild({ name }: LogAddress, clock: Pick<Clock, "now">): Statement[] {
  const data = { principal: null, reason: "definition changed" };
  const now = new Date(clock.now()).toISOString();
  return recordEntries([entry(name, "kilde.feed.rebuilt", data)], now, "changed");
}

/**
 * Compares the definitions of feeds with those that they had before, and has drafts that changed built again, with all that
 * are projected from them, and published versions that changed their source before they published anything. Throws a
 * {@link IncompatibleContractError} for a published version that changed its source, and a {@link FeedDefinitionsError} for a
 * draft that changed and is the source of a published version.
 * @returns feeds whose contract now compares differently with the published one
 */
export async function keepDefinitions(
  database: Database,
  clock: Pick<Clock, "now">,
  registered: readonly RegisteredFeed[],
): Promise<ReadonlySet<RegisteredFeed>> {
  const changed = new Set<RegisteredFeed>();
  const groups: (readonly Statement[])[] = [];
  const storedOf = await readDefinitions(database, registered);
  for (const one of registered) {
    const change = changeOf(one, storedOf(one));
    if (change === null) continue;
    const { statements, before, rebuilds, hasEvents, changesStanding } = change;
    // Feeds that are projected from one that published nothing have nothing of it.
    const rebuilt = !rebuilds ? [] : hasEvents ? withDependents(one, registered) : [one];
    const published = rebuilt.filter((other) => other !== one && !other.feed.draft);
    if (published.length > 0) {
      const paths = published.map(({ feed }) => feed.path).join(", ");
      throw new FeedDefinitionsError([
        `${one.feed.path}: the draft has changed and has to be built again, but ${paths}, which is published, is projected from it`,
      ]);
    }
    // Only one of several processes that start at the same time finds the definition as it was.
    const begin = rebuilt.flatMap(({ log }) => [
      { sql: BEGIN_REBUILDING, args: [log.id, one.log.id, before] },
      ...recordRebuild(log, clock),
    ]);
    groups.push([...begin, ...statements]);
    if (changesStanding) changed.add(one);
  }
  await writeTogether(database, groups);
  return changed;
}
