import { type Database, type Row, textAt } from "../storage/database.ts";
import { type AccessState, readAccessState } from "./access-state.ts";
import { type Grant, grantText, parseGrant } from "./grant.ts";
import { KEY_COLUMNS, keyRecord } from "./key-record.ts";
import type { Principal } from "./principal.ts";

/** A key as a process remembers it. */
export interface KnownKey {
  readonly id: string;
  readonly digest: string;
  readonly principal: Principal;
  /** Text forms of the grants of its principal, to compare. */
  readonly grants: string;
  /** When it was last used, as far as this process knows; null: never. */
  used: number | null;
}

/** All keys that may be valid, in one state of the database. */
export interface KnownKeys extends AccessState {
  /** By id. */
  readonly keys: ReadonlyMap<string, KnownKey>;
  /** By token: those whose digest was compared already, one for each key at most, so that other requests need no digest. */
  readonly verified: Map<string, KnownKey>;
}

/** Keys in one query: the answer of a libSQL server is limited to 10 MB. */
const PAGE_KEYS = 500;

/**
 * Keys that expired longer ago than this are left out. Others are kept, because the wall clock may have been ahead when
 * they were read.
 */
const CLOCK_AHEAD_MS = 30 * 24 * 60 * 60 * 1_000;

const SELECT_KEYS = `
select ${KEY_COLUMNS}, digest from api_keys
where id > ?1 and revoked is null and (expires is null or expires > ?2)
order by id limit ?3`;

/** Grants that this version does not know, of a newer one, allow nothing. */
function knownGrants(texts: readonly string[]): readonly Grant[] {
  return texts.flatMap((text) => {
    const parsed = parseGrant(text);
    return "fault" in parsed ? [] : [parsed];
  });
}

function knownKey(row: Row): KnownKey {
  const { id, name, grants: texts, consumer, expires, used } = keyRecord(row);
  const grants = knownGrants(texts);
  return {
    id,
    digest: textAt(row, KEY_COLUMNS.split(",").length),
    principal: { kind: "key", name, grants, consumer, credential: id, expires },
    grants: grants.map(grantText).join("\n"),
    used,
  };
}

/** Reads the keys in pages; they may be of different states, which the caller has to find out. */
async function readKeys(database: Database, nowMs: number): Promise<Map<string, KnownKey>> {
  const keys = new Map<string, KnownKey>();
  for (let cursor = ""; ;) {
    const rows = await database.read({
      sql: SELECT_KEYS,
      args: [cursor, nowMs - CLOCK_AHEAD_MS, PAGE_KEYS],
    });
    for (const row of rows) {
      cursor = textAt(row, 0);
      keys.set(cursor, knownKey(row));
    }
    if (rows.length < PAGE_KEYS) return keys;
  }
}

/** Attempts to read all keys in one state while others change them. */
const ATTEMPTS = 20;

/** Returns all keys of one state of the database; `known` if its revision is still the database's. */
export async function readKnownKeys(
  database: Database,
  known: KnownKeys | null,
  nowMs: number,
): Promise<KnownKeys> {
  let state = await readAccessState(database);
  for (let attempt = 1; ; attempt += 1) {
    if (known?.revision === state.revision) return known;
    const keys = await readKeys(database, nowMs);
    const after = await readAccessState(database);
    // A key that was revoked while the pages were read would stay: read again, and in the end take the mixture, which is
    // at least as new as the revision that it is remembered under.
    if (after.revision === state.revision || attempt === ATTEMPTS)
      return { ...state, keys, verified: new Map() };
    state = after;
  }
}
