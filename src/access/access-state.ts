import { type Database, integerAt, type Statement, textAt } from "../storage/database.ts";
import { type BatchWriter, writeUnplanned } from "../storage/batch-writer.ts";

/** The state that all processes on a database share about its keys. */
export interface AccessState {
  /** Differs after each change of a key; 0 before the first. */
  readonly revision: number;
  /** Whether a key or an issuer has ever existed. */
  readonly isSecured: boolean;
}

const UNTOUCHED: AccessState = { revision: 0, isSecured: false };

export async function readAccessState(database: Database): Promise<AccessState> {
  const sql = "select revision, secured from access_state where id = 0";
  const [row] = await database.read({ sql, args: [] });
  if (row === undefined) return UNTOUCHED;
  return { revision: integerAt(row, 0), isSecured: integerAt(row, 1) === 1 };
}

/**
 * The next revision is larger by a random number, so that after a restore it equals none that a process remembers of the
 * replaced history.
 */
const NEXT = "coalesce((select revision from access_state where id = 0), 0) + 1 + (random() & 4294967295)";

/**
 * Raises the revision if the statement before it changed a row, and fails the whole batch as a conflict if it did not. So
 * other statements of the batch take effect exactly if the keys changed.
 */
export const RAISE_REVISION: Statement = {
  sql: `insert into access_state (id, revision, secured) values (0, iif(changes() > 0, ${NEXT}, null), 1)
    on conflict (id) do update set revision = excluded.revision, secured = 1`,
  args: [],
};

/** Records that an issuer is configured: the store is never open again. */
export async function markSecured(writer: Pick<BatchWriter, "write">): Promise<void> {
  const sql = `insert into access_state (id, revision, secured) values (0, ${NEXT}, 1)
    on conflict (id) do update set revision = excluded.revision, secured = 1 where secured = 0`;
  await writeUnplanned(writer, [{ sql, args: [] }]);
}

const SECRET_BYTES = 32;

/** Returns the secret that seals the cookies of sessions, the same in all processes; creates it at the first use. */
export async function sessionSecret(writer: Pick<BatchWriter, "write">): Promise<string> {
  const bytes = crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
  const made = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const sql = `insert into access_state (id, revision, secured, session_secret) values (0, 0, 0, ?1)
    on conflict (id) do update set session_secret = coalesce(session_secret, excluded.session_secret)
    returning session_secret`;
  const { rows } = await writeUnplanned(writer, [{ sql, args: [made] }]);
  return textAt(rows[0]?.[0], 0);
}
