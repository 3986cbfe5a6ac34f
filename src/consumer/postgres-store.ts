import { type SQL, sql } from "drizzle-orm";

import { type OptionNames, refuseUnknownOptions } from "../core/known-options.ts";
import { retryContended } from "./contention.ts";
import type { PostgresStatements } from "./drizzle-statements.ts";
import type { ConsumerStore, FeedCursor, SubjectCursor, SubjectSelection } from "./store.ts";

/** The methods of a drizzle database on PostgreSQL that the store calls; `Tx` is its transaction. */
export interface PostgresDatabase<Tx> {
  execute(statement: never): PromiseLike<unknown>;
  transaction<Result>(work: (tx: Tx) => Promise<Result>): Promise<Result>;
}

const TABLES = [
  // Processes that start at the same time would otherwise fail while they create the same tables.
  sql`select pg_advisory_xact_lock(hashtext('kilde tables'))`,
  sql`create table if not exists kilde_feeds (
    consumer text primary key, position bigint not null, since bigint not null, reconstitution text, identity text
  )`,
  // Names sort by bytes, as the server lists them.
  sql`create table if not exists kilde_subjects (
    consumer text not null, subject text collate "C" not null, version bigint not null, known bigint not null,
    position bigint not null, source bigint not null, status text not null, failure text, identity text,
    revised bigint not null default 0, primary key (consumer, subject)
  )`,
  sql`create index if not exists kilde_subjects_aside on kilde_subjects (consumer, status, subject)
    where status <> 'following'`,
  // Columns that tables of earlier versions of this store lack.
  sql`alter table kilde_feeds add column if not exists identity text`,
  sql`alter table kilde_subjects add column if not exists identity text`,
  sql`alter table kilde_subjects add column if not exists revised bigint not null default 0`,
];

const COLUMNS = sql.raw("subject, version, known, position, source, status, failure, identity, revised");

/** Cast to numbers, which the driver would return as text. */
const SELECTED = sql.raw(
  "subject, version::float8, known::float8, position::float8, source::float8, status, failure, identity, revised::float8",
);

interface SubjectRow extends SubjectCursor {
  readonly [column: string]: unknown;
}

interface FeedRow extends FeedCursor {
  readonly [column: string]: unknown;
}

function cursorOf({ subject, version, known, position, source, status, ...row }: SubjectRow): SubjectCursor {
  const { failure, identity, revised = 0 } = row;
  return { subject, version, known, position, source, status, failure, identity, revised };
}

function isSelected(selection: SubjectSelection): SQL {
  if ("status" in selection) return sql`status = ${selection.status} and status <> 'following'`;
  if ("notOf" in selection) return sql`identity <> ${selection.notOf}`;
  return selection.upTo === null ? sql`true` : sql`subject <= ${selection.upTo}`;
}

/** The rows in the result of drizzle's drivers: `pg` returns an object with rows, `postgres` the rows. */
async function readRows<Row>(statement: PromiseLike<unknown>): Promise<readonly Row[]> {
  const result = await statement;
  return Array.isArray(result) ? (result as Row[]) : (result as { readonly rows: readonly Row[] }).rows;
}

function names(subjects: readonly string[]): SQL {
  return sql`json_array_elements_text(${JSON.stringify(subjects)}::json)`;
}

/** A row that exists only to be locked holds no cursor. */
function selectSubjects(key: string, subjects: readonly string[]): SQL {
  return sql`select ${SELECTED} from kilde_subjects
    where consumer = ${key} and known > 0 and subject in (select ${names(subjects)}) order by subject`;
}

/** Creates a row for each subject, so that it can be locked; in order, which avoids deadlocks. */
function insertSubjects(key: string, subjects: readonly string[]): SQL {
  return sql`insert into kilde_subjects (consumer, ${COLUMNS})
    select ${key}, name, 0, 0, 0, 0, 'following', null, null, 0
    from ${names(subjects)} as name order by name collate "C"
    on conflict do nothing`;
}

function lockSubjects(key: string, subjects: readonly string[]): SQL {
  return sql`select 1 from kilde_subjects
    where consumer = ${key} and subject in (select ${names(subjects)}) order by subject for update`;
}

function upsertSubjects(key: string, cursors: readonly SubjectCursor[]): SQL {
  const rows = cursors.map((cursor) => {
    const { subject, version, known, position, source, status, failure, identity, revised = 0 } = cursor;
    return [subject, version, known, position, source, status, failure, identity, revised];
  });
  return sql`insert into kilde_subjects (consumer, ${COLUMNS})
    select ${key}, row ->> 0, (row ->> 1)::bigint, (row ->> 2)::bigint, (row ->> 3)::bigint, (row ->> 4)::bigint,
      row ->> 5, row ->> 6, row ->> 7, (row ->> 8)::bigint
    from json_array_elements(${JSON.stringify(rows)}::json) as row
    on conflict (consumer, subject) do update set version = excluded.version, known = excluded.known,
      position = excluded.position, source = excluded.source, status = excluded.status, failure = excluded.failure,
      identity = excluded.identity, revised = excluded.revised`;
}

export interface PostgresStoreOptions {
  /** Most concurrent transactions, each with other subjects. Default: 4; no more than the pool has connections. */
  readonly transactions?: number;
}

const OPTIONS: OptionNames<PostgresStoreOptions> = { transactions: true };

function statementsOf(of: unknown): PostgresStatements {
  return of as PostgresStatements;
}

/**
 * Keeps cursors in PostgreSQL, in two tables: `kilde_feeds` and `kilde_subjects`. For drizzle on `pg` or `postgres`.
 * Events of different subjects are handled concurrently.
 *
 * @example
 * ```ts
 * import { drizzle } from "drizzle-orm/node-postgres";
 * import { postgresStore } from "kilde/consumer";
 * import { Pool } from "pg";
 *
 * const pool = new Pool({ connectionString: "postgres://localhost/billing", max: 10 });
 * const store = postgresStore(drizzle(pool), { transactions: 8 });
 * ```
 */
export function postgresStore<Tx>(
  database: PostgresDatabase<Tx>,
  options: PostgresStoreOptions = {},
): ConsumerStore<Tx> {
  const statements = statementsOf(database);
  refuseUnknownOptions("postgresStore", options, OPTIONS);
  const { transactions = 4 } = options;
  return {
    sharesTransactions: false,
    transactions,
    prepare: () =>
      database.transaction(async (tx) => {
        for (const table of TABLES) await statementsOf(tx).execute(table);
      }),
    transact: (work) => retryContended(() => database.transaction(work)),
    async lock(tx, key, subjects) {
      await statementsOf(tx).execute(insertSubjects(key, subjects));
      // A separate statement: the next one then sees the commits of the former holder of the lock.
      await statementsOf(tx).execute(lockSubjects(key, subjects));
      return (await readRows<SubjectRow>(statementsOf(tx).execute(selectSubjects(key, subjects)))).map(
        cursorOf,
      );
    },
    async saveSubjects(tx, key, cursors) {
      await statementsOf(tx).execute(upsertSubjects(key, cursors));
    },
    async saveFeed(tx, key, { position = 0, since = 0, reconstitution = null, identity }) {
      await statementsOf(tx)
        .execute(sql`insert into kilde_feeds as feed (consumer, position, since, reconstitution, identity)
        values (${key}, ${position}, ${since}, ${reconstitution}, ${identity})
        on conflict (consumer) do update set position = greatest(feed.position, excluded.position),
          since = greatest(feed.since, excluded.since),
          reconstitution = coalesce(excluded.reconstitution, feed.reconstitution), identity = excluded.identity
        where feed.identity is null or feed.identity is not distinct from excluded.identity`);
    },
    async replaceFeed(tx, key, from, { position, since, reconstitution, identity }) {
      await statementsOf(tx).execute(sql`update kilde_feeds set position = ${position}, since = ${since},
        reconstitution = ${reconstitution}, identity = ${identity}
        where consumer = ${key} and identity is not distinct from ${from}`);
    },
    async readFeed(key) {
      const [row] = await readRows<FeedRow>(
        statements.execute(sql`select position::float8, since::float8, reconstitution, identity from kilde_feeds
          where consumer = ${key}`),
      );
      if (row === undefined) return null;
      const { position, since, reconstitution, identity } = row;
      return { position, since, reconstitution, identity };
    },
    readSubjects: async (key, subjects) =>
      (await readRows<SubjectRow>(statements.execute(selectSubjects(key, subjects)))).map(cursorOf),
    listSubjects: async (key, selection, after, limit) =>
      (
        await readRows<SubjectRow>(
          statements.execute(sql`select ${SELECTED} from kilde_subjects where consumer = ${key} and known > 0
            and ${isSelected(selection)} and subject > ${after} order by subject limit ${limit}`),
        )
      ).map(cursorOf),
  };
}
