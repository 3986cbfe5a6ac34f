import { type Database, integerAt, type Statement } from "../storage/database.ts";
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
 * replaced history. It is small enough for billions of changes: a client of a libSQL server reads integers below 2^53.
 */
const NEXT = "coalesce((select revision from access_state where id = 0), 0) + 1 + (random() & 1048575)";

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

/**
 * Begins another history of the keys, after a restore: processes that remember keys read them again, and sessions end.
 * Argument: 1 if a key or issuer has ever existed.
 */
export const CONTINUE_ACCESS = `insert into access_state (id, revision, secured) values (0, ${NEXT}, ?1)
  on conflict (id) do update set revision = excluded.revision, secured = max(secured, excluded.secured), session_secret = null`;
