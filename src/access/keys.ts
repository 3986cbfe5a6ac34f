import type { Clock } from "../core/clock.ts";
import { KildeError } from "../core/errors.ts";
import type { ProblemDetail } from "../core/problem-members.ts";
import { type Database, integerAt, type Row, type Statement, textAt } from "../storage/database.ts";
import type { BatchWriter } from "../storage/batch-writer.ts";
import { RAISE_REVISION } from "./access-state.ts";
import type { Digest } from "./digest.ts";
import { KEY_COLUMNS, keyRecord, type KeyRecord, keyStatus } from "./key-record.ts";
import { expiryFaults, type NewKey, newKeyFaults } from "./new-key.ts";
import { newToken } from "./token.ts";

/*
 * Changes of API keys. Each is one atomic batch that also raises the revision, by which all processes notice it, and has
 * no effect at all if the key is not as expected. The statements that a caller adds are part of it: they take effect
 * exactly if the change does.
 */

export interface KeysDeps {
  readonly database: Database;
  readonly writer: Pick<BatchWriter, "write">;
  readonly clock: Pick<Clock, "now">;
  readonly digest: Digest;
  /** Most keys that are neither revoked nor expired. */
  readonly mostKeys: number;
  /** Longest name of a consumer, in bytes. */
  readonly consumerBytes: number;
}

/** Returns the statements to add to a change, for the key that is created, replaced or revoked. */
export type AddStatements = (key: {
  readonly id: string;
  readonly name: string;
  readonly successor: string | null;
}) => readonly Statement[];

const ADD_NOTHING: AddStatements = () => [];

/** `now`: the parameter with the time. */
const usableAt = (now: string) => `revoked is null and (expires is null or expires > ${now})`;

const USABLE = usableAt("?2");

/** Arguments: id, now, digest, name, grants, consumer, expires, most keys. */
const INSERT_KEY = `
insert into api_keys (id, digest, name, grants, consumer, created, expires)
select ?1, ?3, ?4, ?5, ?6, ?2, ?7
where not exists (select 1 from api_keys where name = ?4 and successor is null and ${USABLE})
  and (select count(*) from api_keys where ${USABLE}) < ?8
returning ${KEY_COLUMNS}`;

/**
 * The successor lives as long as the key was to live, unless stated. Arguments: id of the key, now, id and digest of the
 * successor, 1 if its expiry is stated, the stated expiry, most keys.
 */
const INSERT_SUCCESSOR = `
insert into api_keys (id, digest, name, grants, consumer, created, expires)
select ?3, ?4, name, grants, consumer, ?2, iif(?5, ?6, ?2 + expires - created)
from api_keys
where id = ?1 and successor is null and ${USABLE}
  and (select count(*) from api_keys where ${USABLE}) < ?7
returning ${KEY_COLUMNS}`;

/** Arguments: id, now, id of the successor, end of the overlap. */
const REPLACE_KEY = `
update api_keys set successor = ?3, expires = min(coalesce(expires, ?4), ?4)
where id = ?1 and successor is null and ${USABLE} and exists (select 1 from api_keys where id = ?3)`;

const REVOKE_KEY = `update api_keys set revoked = ?2 where id = ?1 and revoked is null returning ${KEY_COLUMNS}`;

const TAKEN_BY = `select id from api_keys where name = ?1 and successor is null and ${USABLE}`;

const COUNT_USABLE = `select count(*) from api_keys where ${usableAt("?1")}`;

/** Attempts at a change that the database refuses for no reason that can be read afterward: it was busy. */
const ATTEMPTS = 20;

/** While keys overlap, rotations may exceed the limit of keys by this factor: a full store can still rotate. */
const ROTATION_ROOM = 2;

/** Writes until the change took effect, or the reason why it cannot is known. */
async function change<Refusal>(
  { writer }: KeysDeps,
  statements: readonly Statement[],
  refusal: () => Promise<Refusal | null>,
): Promise<{ readonly key: KeyRecord } | Refusal> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const written = await writer.write(statements);
    if (written.outcome === "written") return { key: keyRecord(firstRow(written.rows)) };
    const reason = await refusal();
    if (reason !== null) return reason;
  }
  throw new KildeError("overloaded", `The database was busy ${ATTEMPTS} times in a row`);
}

function firstRow(rows: readonly (readonly Row[])[]): Row {
  const row = rows[0]?.[0];
  if (row === undefined) throw new Error("the change of a key returned no key");
  return row;
}

async function hasRoom({ database }: KeysDeps, nowMs: number, most: number): Promise<boolean> {
  const [row] = await database.read({ sql: COUNT_USABLE, args: [nowMs] });
  return integerAt(row, 0) < most;
}

export type KeyCreation =
  | { readonly outcome: "created"; readonly key: KeyRecord; readonly token: string }
  | { readonly outcome: "invalid"; readonly errors: readonly ProblemDetail[] }
  /** Another key has the name; `id` is that key's. */
  | { readonly outcome: "name-taken"; readonly id: string }
  | { readonly outcome: "too-many"; readonly limit: number };

/** Creates a key. Its token is in the result and nowhere else. Throws a KildeError when storage fails. */
export async function createKey(
  deps: KeysDeps,
  key: NewKey,
  add: AddStatements = ADD_NOTHING,
): Promise<KeyCreation> {
  const { database, clock, digest, mostKeys, consumerBytes } = deps;
  const nowMs = clock.now();
  const errors = newKeyFaults(key, nowMs, consumerBytes);
  if (errors.length > 0) return { outcome: "invalid", errors };
  const { id, token } = newToken();
  const { name, grants, consumer, expires } = key;
  const args = [id, nowMs, await digest(token), name, JSON.stringify(grants), consumer, expires, mostKeys];
  const statements = [{ sql: INSERT_KEY, args }, RAISE_REVISION, ...add({ id, name, successor: null })];
  const result = await change<KeyCreation>(deps, statements, async () => {
    const [taken] = await database.read({ sql: TAKEN_BY, args: [name, nowMs] });
    if (taken !== undefined) return { outcome: "name-taken", id: textAt(taken, 0) };
    return (await hasRoom(deps, nowMs, mostKeys)) ? null : { outcome: "too-many", limit: mostKeys };
  });
  return "outcome" in result ? result : { outcome: "created", key: result.key, token };
}

export interface KeyRotationOptions {
  /** For how long the old key is valid beside the new one, in milliseconds. */
  readonly overlapMs: number;
  /** Expiry of the new key; null: never. Default: it lives as long as the old one was to live. */
  readonly expires?: number | null;
}

export type KeyRotation =
  | { readonly outcome: "invalid"; readonly errors: readonly ProblemDetail[] }
  | { readonly outcome: "rotated"; readonly key: KeyRecord; readonly token: string }
  | { readonly outcome: "not-found" }
  /** The key is revoked, expired or rotated already. */
  | { readonly outcome: "ended"; readonly key: KeyRecord }
  | { readonly outcome: "too-many"; readonly limit: number };

/** Replaces a key by one with the same name, grants and consumer. Throws a KildeError when storage fails. */
export async function rotateKey(
  deps: KeysDeps,
  id: string,
  { overlapMs, expires }: KeyRotationOptions,
  add: AddStatements = ADD_NOTHING,
): Promise<KeyRotation> {
  const { database, clock, digest, mostKeys } = deps;
  const nowMs = clock.now();
  const errors = expires === undefined ? [] : expiryFaults(expires, nowMs);
  if (errors.length > 0) return { outcome: "invalid", errors };
  const found = await findKey(database, id);
  if (found === null) return { outcome: "not-found" };
  const { id: successor, token } = newToken();
  const most = ROTATION_ROOM * mostKeys;
  const isStated = expires === undefined ? 0 : 1;
  const statements = [
    {
      sql: INSERT_SUCCESSOR,
      args: [id, nowMs, successor, await digest(token), isStated, expires ?? null, most],
    },
    { sql: REPLACE_KEY, args: [id, nowMs, successor, nowMs + overlapMs] },
    RAISE_REVISION,
    ...add({ id, name: found.name, successor }),
  ];
  const result = await change<KeyRotation>(deps, statements, async () => {
    const old = (await findKey(database, id)) ?? found;
    if (keyStatus(old, nowMs) !== "active") return { outcome: "ended", key: old };
    return (await hasRoom(deps, nowMs, most)) ? null : { outcome: "too-many", limit: most };
  });
  return "outcome" in result ? result : { outcome: "rotated", key: result.key, token };
}

export type KeyRevocation =
  | { readonly outcome: "revoked"; readonly key: KeyRecord }
  /** It was revoked before; nothing changed. */
  | { readonly outcome: "already-revoked"; readonly key: KeyRecord }
  | { readonly outcome: "not-found" };

/** Revokes a key at once, also an expired one. Its successor stays valid. Throws a KildeError when storage fails. */
export async function revokeKey(
  deps: KeysDeps,
  id: string,
  add: AddStatements = ADD_NOTHING,
): Promise<KeyRevocation> {
  const { database, clock } = deps;
  const found = await findKey(database, id);
  if (found === null) return { outcome: "not-found" };
  const statements = [
    { sql: REVOKE_KEY, args: [id, clock.now()] },
    RAISE_REVISION,
    ...add({ id, name: found.name, successor: null }),
  ];
  const result = await change<KeyRevocation>(deps, statements, async () => {
    const old = (await findKey(database, id)) ?? found;
    return old.revoked === null ? null : { outcome: "already-revoked", key: old };
  });
  return "outcome" in result ? result : { outcome: "revoked", key: result.key };
}

export async function findKey(database: Database, id: string): Promise<KeyRecord | null> {
  const sql = `select ${KEY_COLUMNS} from api_keys where id = ?1`;
  const [row] = await database.read({ sql, args: [id] });
  return row === undefined ? null : keyRecord(row);
}

const LIST_KEYS = `
select ${KEY_COLUMNS} from api_keys
where (name, id) > (coalesce((select name from api_keys where id = ?1), ''), ?1)
order by name, id limit ?2`;

export interface KeysQuery {
  /** Id of the last key of the previous page; empty: from the start. */
  readonly cursor: string;
  readonly limit: number;
}

/** A page of all keys, also of those that have ended, in order of name. */
export async function listKeys(database: Database, { cursor, limit }: KeysQuery): Promise<KeyRecord[]> {
  const rows = await database.read({ sql: LIST_KEYS, args: [cursor, limit] });
  return rows.map(keyRecord);
}
