import { textAt, type Database } from "../storage/database.ts";
import { type BatchWriter, writeUnplanned } from "../storage/batch-writer.ts";
import type { Clock } from "../core/clock.ts";

const SECRET_BYTES = 32;

/** The secret is read again at most this often for cookies that it does not open. */
const REREAD_MS = 1_000;

/** The secret as last read, which is plain data, like the keys. */
export interface SessionSecretMemory {
  secret: string | null;
  /** When it was read, on the monotonic clock. */
  readMs: number;
}

export function createSessionSecretMemory(): SessionSecretMemory {
  return { secret: null, readMs: -Infinity };
}

/** The secret that seals the cookies of sessions: the same in all processes of a store, and random. */
export interface SessionSecret {
  /** Returns the secret; creates it at the first use. Throws a KildeError when storage fails. */
  current(): Promise<string>;
  /** Returns the known secret, or the stored one; null: no session was ever opened. */
  known(): Promise<string | null>;
  /** Returns the secret if it differs from a former one, as after a restore; null otherwise. */
  changed(former: string | null): Promise<string | null>;
}

export interface SessionSecretDeps {
  readonly memory: SessionSecretMemory;
  readonly database: Database;
  readonly writer: Pick<BatchWriter, "write">;
  readonly clock: Pick<Clock, "monotonic">;
}

async function createSecret(writer: Pick<BatchWriter, "write">): Promise<string> {
  const bytes = crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
  const made = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const sql = `insert into access_state (id, revision, secured, session_secret) values (0, 0, 0, ?1)
    on conflict (id) do update set session_secret = coalesce(session_secret, excluded.session_secret)
    returning session_secret`;
  const { rows } = await writeUnplanned(writer, [{ sql, args: [made] }]);
  return textAt(rows[0]?.[0], 0);
}

export function openSessionSecret({ memory, database, writer, clock }: SessionSecretDeps): SessionSecret {
  let reading: Promise<string | null> | null = null;
  const readStored = async (): Promise<string | null> => {
    const sql = "select session_secret from access_state where id = 0 and session_secret is not null";
    const [row] = await database.read({ sql, args: [] });
    memory.secret = row === undefined ? null : textAt(row, 0);
    memory.readMs = clock.monotonic();
    return memory.secret;
  };
  /** Returns the secret as it is now, or as it was a moment ago. Callers share a read that is in progress. */
  const recent = (): string | null | Promise<string | null> => {
    if (clock.monotonic() - memory.readMs < REREAD_MS) return memory.secret;
    reading ??= readStored().finally(() => {
      reading = null;
    });
    return reading;
  };
  return {
    async current() {
      memory.secret ??= await createSecret(writer);
      return memory.secret;
    },
    known: async () => memory.secret ?? recent(),
    async changed(former) {
      const secret = await recent();
      return secret === former ? null : secret;
    },
  };
}
