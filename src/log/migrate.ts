import { type Database, integerAt, type Statement, textAt } from "../storage/database.ts";
import { storageFailure } from "../storage/failures.ts";
import { EVENT_LOG_ADDRESS } from "./keys.ts";
import { type SchemaMigration, MIGRATIONS } from "../storage/migrations.ts";

/** A database that this program must not touch, with what to do about it. */
export class SchemaError extends Error {
  override readonly name = "SchemaError";
}

const JOURNAL = "__drizzle_migrations";
/** drizzle-kit puts it between statements; a semicolon also stands inside of trigger bodies. */
const BREAKPOINT = "--> statement-breakpoint";

const ADD_EVENT_LOG: Statement = {
  sql: "insert into logs (id, name) values (?, ?) on conflict do nothing",
  args: [EVENT_LOG_ADDRESS.id, EVENT_LOG_ADDRESS.name],
};

/** How often another process's migration may win before this one gives up. */
const MIGRATE_ATTEMPTS = 10;

async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function appliedHashes(database: Database): Promise<string[]> {
  const tables = await database.read({
    sql: "select name from sqlite_master where type = 'table'",
    args: [],
  });
  const names = tables.map((row) => textAt(row, 0));
  if (names.includes(JOURNAL)) {
    const rows = await database.read({ sql: `select hash from ${JOURNAL} order by id`, args: [] });
    return rows.map((row) => textAt(row, 0));
  }
  const foreign = names.filter((name) => !name.startsWith("sqlite_") && !name.startsWith("libsql_"));
  if (foreign.length > 0) {
    throw new SchemaError(
      `The database is not one of Kilde's: it has the tables ${foreign.slice(0, 5).join(", ")}. Name another database.`,
    );
  }
  return [];
}

/** Statements of one migration; the row with its number comes first, so that of two processes one is refused. */
function statementsOf(migration: SchemaMigration, number: number, hash: string): Statement[] {
  return [
    {
      sql: `create table if not exists ${JOURNAL} (id integer primary key, hash text not null, created_at numeric)`,
      args: [],
    },
    {
      sql: `insert into ${JOURNAL} (id, hash, created_at) values (?, ?, ?)`,
      args: [number, hash, migration.when],
    },
    ...migration.text
      .split(BREAKPOINT)
      .map((sql) => sql.trim())
      .filter((sql) => sql !== "")
      .map((sql): Statement => ({ sql, args: [] })),
  ];
}

/**
 * Counts the migrations that a database has; 0 for an empty one. Throws a `SchemaError` for a database of a newer
 * program, or of another one.
 */
export async function countMigrations(database: Database): Promise<number> {
  return MIGRATIONS.length - (await pendingMigrations(database)).length;
}

/** Tags of the migrations that a database lacks, in order. Refuses a database of a newer or another program. */
async function pendingMigrations(
  database: Database,
): Promise<{ migration: SchemaMigration; hash: string }[]> {
  const applied = await appliedHashes(database);
  const known = await Promise.all(
    MIGRATIONS.map(async (migration) => ({ migration, hash: await sha256(migration.text) })),
  );
  for (const [number, hash] of applied.entries()) {
    const expected = known[number];
    if (expected === undefined) {
      throw new SchemaError(
        `The database has a newer schema (${applied.length} migrations) than this program knows (${known.length}). Start a newer version of Kilde.`,
      );
    }
    if (expected.hash !== hash) {
      throw new SchemaError(
        `Migration ${number + 1} of the database is not ${expected.migration.tag} of this program. Start the version of Kilde that made the database.`,
      );
    }
  }
  return known.slice(applied.length);
}

/** Applies the first migrations to an empty database, which gives the schema of an earlier version. */
export async function migrateTo(database: Database, count: number): Promise<void> {
  const pending = (await pendingMigrations(database)).slice(0, count);
  await database.write(
    pending.flatMap(({ migration, hash }, index) => statementsOf(migration, index + 1, hash)),
  );
}

/**
 * Brings the schema up to date, in one atomic write, whose first row only one process can insert: the others see it
 * refused, look again, and find it done.
 * @returns the tags that were applied by this call.
 */
export async function migrate(database: Database): Promise<string[]> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const pending = await pendingMigrations(database);
      if (pending.length > 0) {
        await database.write([
          ...pending.flatMap(({ migration, hash }) =>
            statementsOf(migration, MIGRATIONS.indexOf(migration) + 1, hash),
          ),
          ADD_EVENT_LOG,
        ]);
      }
      await ensureEventLog(database);
      return pending.map(({ migration }) => migration.tag);
    } catch (error) {
      const failure = error instanceof SchemaError ? null : storageFailure(error);
      if ((failure !== "conflict" && failure !== "busy") || attempt === MIGRATE_ATTEMPTS) throw error;
    }
  }
}

/** Adds the event log to a database that another tool has migrated. */
async function ensureEventLog(database: Database): Promise<void> {
  const [row] = await database.read({
    sql: "select count(*) from logs where id = ?",
    args: [EVENT_LOG_ADDRESS.id],
  });
  if (integerAt(row, 0) === 1) return;
  await database.write([ADD_EVENT_LOG]);
}
