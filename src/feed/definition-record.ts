import type { Database, Statement } from "../log/database.ts";
import type { LogAddress } from "../log/keys.ts";
import { FeedDefinitionsError } from "./compile-all.ts";
import type { Feed } from "./feed.ts";
import { BrokenPromiseError } from "./promise.ts";
import { sameJson } from "./same-json.ts";
import { BEGIN_REBUILDING, withDependents } from "./retire.ts";
import type { RegisteredFeed } from "./register.ts";

/*
 * What of a definition is stored, to notice that a restart changes it. Events that are published stay: so the source and the
 * key of a published version must not change, and a draft whose definition changes is built again.
 */

interface Definition {
  readonly draft: boolean;
  readonly source: string;
  readonly prefixes: readonly string[];
  readonly rekeyed: boolean;
  /** Of a draft: a published version has them in its promise. */
  readonly schemas?: unknown;
}

function definitionOf({ draft, source, rekeyed, schemas }: Feed): Definition {
  const { log, prefixes } = source;
  return { draft, source: log, prefixes, rekeyed, ...(draft ? { schemas } : {}) };
}

interface StoredDefinition {
  readonly text: string | null;
  /** Something was published, and is still there. */
  readonly hasEvents: boolean;
}

/** Arguments: log id. */
const SELECT_DEFINITION = `
select feed.definition, log.head > feed.cleared
from feeds as feed cross join logs as log on log.id = feed.log where feed.log = ?1`;

async function readDefinition(database: Database, log: LogAddress): Promise<StoredDefinition> {
  const [row] = await database.read({ sql: SELECT_DEFINITION, args: [log.id] });
  const text = row?.[0];
  return { text: typeof text === "string" ? text : null, hasEvents: row?.[1] === 1 };
}

/** Arguments: log id, definition, the one before. */
const KEEP_DEFINITION = "update feeds set definition = ?2 where log = ?1 and definition is ?3";

/** The same, for a feed that has to project its source from the start. */
const BEGIN_AGAIN = `
update feeds set definition = ?2, cursor = 0, merged = 0, status = 'building', failure = null, rate = 0, epoch = epoch + 1
where log = ?1 and definition is ?3`;

/** A draft changes in the eyes of every process that has projected it. */
const CHANGE_DRAFT =
  "update feeds set definition = ?2, promised = promised + 1 where log = ?1 and definition is ?3";

function described({ source, prefixes, rekeyed }: Definition): string {
  const streams = prefixes.length === 0 ? source : `${source}, streams ${prefixes.join(", ")}`;
  return `${streams}, ${rekeyed ? "by subjects of its own" : "by its subjects"}`;
}

function brokenSource(feed: Feed, before: Definition, now: Definition): BrokenPromiseError {
  const detail = `it was projected from ${described(before)}, and is now from ${described(now)}`;
  return new BrokenPromiseError(feed, [{ type: "source", pointer: "", rule: "source-changed", detail }]);
}

/**
 * Notes the definition of a feed, and gives what has to be written for the change, if it was another one before. Throws a
 * {@link BrokenPromiseError} for a published version that has events of another source.
 */
async function changeOf(
  database: Database,
  { feed, log }: RegisteredFeed,
): Promise<{ readonly statement: Statement; readonly rebuilds: boolean } | null> {
  const { text, hasEvents } = await readDefinition(database, log);
  const now = definitionOf(feed);
  const json = JSON.stringify(now);
  const args = [log.id, json, text];
  if (text === null) return { statement: { sql: KEEP_DEFINITION, args }, rebuilds: false };
  const before = JSON.parse(text) as Definition;
  if (sameJson(before, now)) return null;
  const isSameSource = sameJson(
    { ...before, draft: null, schemas: null },
    { ...now, draft: null, schemas: null },
  );
  if (before.draft) {
    const isSame = isSameSource && sameJson(before.schemas, feed.schemas);
    if (isSame) return { statement: { sql: KEEP_DEFINITION, args }, rebuilds: false };
    if (hasEvents) return { statement: { sql: CHANGE_DRAFT, args }, rebuilds: true };
  } else if (hasEvents) {
    if (!isSameSource) throw brokenSource(feed, before, now);
    return { statement: { sql: KEEP_DEFINITION, args }, rebuilds: false };
  }
  return { statement: { sql: isSameSource ? KEEP_DEFINITION : BEGIN_AGAIN, args }, rebuilds: false };
}

/**
 * Compares the definitions of feeds with those that they had before, and has drafts that changed built again, with all that
 * are projected from them. Throws a {@link BrokenPromiseError} for a published version that changed its source, and a
 * {@link FeedDefinitionsError} for a draft that changed and is the source of a published version.
 * @returns drafts that changed
 */
export async function keepDefinitions(
  database: Database,
  registered: readonly RegisteredFeed[],
): Promise<ReadonlySet<RegisteredFeed>> {
  const changed = new Set<RegisteredFeed>();
  for (const one of registered) {
    const change = await changeOf(database, one);
    if (change === null) continue;
    const { statement, rebuilds } = change;
    const dependents = rebuilds ? withDependents(one, registered) : [];
    const published = dependents.filter((other) => other !== one && !other.feed.draft);
    if (published.length > 0) {
      const paths = published.map(({ feed }) => feed.path).join(", ");
      throw new FeedDefinitionsError([
        `${one.feed.path}: the draft has changed and has to be built again, but ${paths}, which is published, is projected from it`,
      ]);
    }
    // Only one of several processes that start at the same time finds the definition as it was.
    const [, , before = null] = statement.args;
    const begin = dependents.map(({ log }) => ({
      sql: BEGIN_REBUILDING,
      args: [log.id, one.log.id, before],
    }));
    await database.write([...begin, statement]);
    if (rebuilds) changed.add(one);
  }
  return changed;
}
