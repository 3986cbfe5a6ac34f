import {
  type Database,
  integerAt,
  type Statement,
  textAt,
  textOrNullAt,
  integerOrNullAt,
} from "../storage/database.ts";
import { CONTINUE_ACCESS } from "./access-state.ts";

/** How a key has ended, or will. */
interface KeyEnding {
  readonly digest: string;
  readonly expires: number | null;
  readonly revoked: number | null;
  readonly successor: string | null;
}

/** The state of a store's keys that a restore of an older copy does not undo. */
export interface KeyEndings {
  readonly isSecured: boolean;
  /** All keys of the store, by id. */
  readonly keys: ReadonlyMap<string, KeyEnding>;
}

const NO_KEYS: KeyEndings = { isSecured: false, keys: new Map() };

const PAGE_KEYS = 500;

async function readEndings(database: Database): Promise<Map<string, KeyEnding>> {
  const sql =
    "select id, digest, expires, revoked, successor from api_keys where id > ?1 order by id limit ?2";
  const keys = new Map<string, KeyEnding>();
  for (let cursor = ""; ;) {
    const rows = await database.read({ sql, args: [cursor, PAGE_KEYS] });
    for (const row of rows) {
      cursor = textAt(row, 0);
      keys.set(cursor, {
        digest: textAt(row, 1),
        expires: integerOrNullAt(row, 2),
        revoked: integerOrNullAt(row, 3),
        successor: textOrNullAt(row, 4),
      });
    }
    if (rows.length < PAGE_KEYS) return keys;
  }
}

/** Reads how the keys of a store have ended. A store of a version without keys has none. */
export async function readKeyEndings(database: Database): Promise<KeyEndings> {
  const tables =
    "select count(*) from sqlite_master where type = 'table' and name in ('api_keys', 'access_state')";
  const [found] = await database.read({ sql: tables, args: [] });
  if (integerAt(found, 0) < 2) return NO_KEYS;
  const [secured] = await database.read({
    sql: "select count(*) from access_state where secured = 1",
    args: [],
  });
  const keys = await readEndings(database);
  return { isSecured: integerAt(secured, 0) > 0 || keys.size > 0, keys };
}

const END_KEY = `
update api_keys
set revoked = coalesce(revoked, ?2), expires = min(coalesce(expires, ?3), coalesce(?3, expires)),
  successor = coalesce(successor, ?4)
where id = ?1`;

const REVOKE_KEY = "update api_keys set revoked = ?2 where id = ?1 and revoked is null";

export interface RestoreKeysOptions {
  /** Those of the store that was replaced; null: that store is lost. */
  readonly endings: KeyEndings | null;
  /** Whether keys stay valid that the replaced store does not know, and perhaps nobody may have any more. */
  readonly keepsKeys: boolean;
  readonly nowMs: number;
}

/**
 * Makes the keys of a restored store end as they did in the store that it replaces. Revokes the keys that the replaced
 * store does not know, since they may have been revoked after the backup. Ends all sessions. A store that was
 * secured stays secured.
 *
 * @returns the number of keys that were revoked because their revocation is unknown
 */
export async function endRestoredKeys(
  database: Database,
  { endings, keepsKeys, nowMs }: RestoreKeysOptions,
): Promise<number> {
  const restored = await readEndings(database);
  const statements: Statement[] = [];
  let unknown = 0;
  for (const [id, { digest, revoked, expires }] of restored) {
    const ending = endings?.keys.get(id);
    if (ending?.digest === digest) {
      statements.push({ sql: END_KEY, args: [id, ending.revoked, ending.expires, ending.successor] });
    } else if (!keepsKeys && revoked === null) {
      statements.push({ sql: REVOKE_KEY, args: [id, nowMs] });
      if (expires === null || expires > nowMs) unknown += 1;
    }
  }
  for (let start = 0; start < statements.length; start += PAGE_KEYS)
    await database.write(statements.slice(start, start + PAGE_KEYS));
  const isSecured = endings?.isSecured === true || restored.size > 0;
  await database.write([{ sql: CONTINUE_ACCESS, args: [isSecured ? 1 : 0] }]);
  return unknown;
}
