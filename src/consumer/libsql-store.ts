import { type SQL, sql } from "drizzle-orm";
import type { LibSQLDatabase } from "drizzle-orm/libsql";

import type { ConsumerStore, SubjectCursor, SubjectStatus } from "./store.ts";
import { createTurns } from "./turns.ts";

const TABLES = [
  sql`create table if not exists kilde_feeds (
    consumer text primary key not null, position integer not null, since integer not null, reconstitution text
  ) without rowid`,
  sql`create table if not exists kilde_subjects (
    consumer text not null, subject text not null, version integer not null, known integer not null,
    position integer not null, source integer not null, status text not null, failure text,
    revised integer not null default 0, primary key (consumer, subject)
  ) without rowid`,
  sql`create index if not exists kilde_subjects_aside on kilde_subjects (consumer, status, subject)
    where status <> 'following'`,
];

/** A row as the driver gives it. */
interface SubjectRow {
  readonly subject: string;
  readonly version: number;
  readonly known: number;
  readonly position: number;
  readonly source: number;
  readonly status: SubjectStatus;
  readonly failure: string | null;
  readonly revised: number;
}

/** Tables of older versions lack the column. */
const HAS_REVISED = sql`select count(*) as count from pragma_table_info('kilde_subjects') where name = 'revised'`;
const ADD_REVISED = sql`alter table kilde_subjects add column revised integer not null default 0`;

const COLUMNS = sql.raw("subject, version, known, position, source, status, failure, revised");

function cursorOf(row: SubjectRow): SubjectCursor {
  const { subject, version, known, position, source, status, failure, revised } = row;
  return { subject, version, known, position, source, status, failure, revised };
}

function selectSubjects(key: string, names: readonly string[]): SQL {
  return sql`select ${COLUMNS} from kilde_subjects
    where consumer = ${key} and subject in (select value from json_each(${JSON.stringify(names)}))`;
}

function upsertSubjects(key: string, cursors: readonly SubjectCursor[]): SQL {
  const rows = cursors.map(({ subject, version, known, position, source, status, failure, revised = 0 }) => {
    return [subject, version, known, position, source, status, failure, revised];
  });
  return sql`insert into kilde_subjects (consumer, ${COLUMNS})
    select ${key}, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
      value ->> 7
    from json_each(${JSON.stringify(rows)}) where true
    on conflict (consumer, subject) do update set version = excluded.version, known = excluded.known,
      position = excluded.position, source = excluded.source, status = excluded.status, failure = excluded.failure,
      revised = excluded.revised`;
}

/**
 * Keeps cursors in a libSQL database, beside whatever else is in it: two tables, `kilde_feeds` and `kilde_subjects`.
 * Handlers get the transaction of drizzle, with the user's own schema. Transactions of this store run one at a time: a
 * file has one writer. Writing to the same file by other connections while a handler waits for something else than the
 * database blocks this process until that write gives up (`timeout` of the client), and fails it.
 */
export function libsqlStore<Schema extends Record<string, unknown>>(
  database: LibSQLDatabase<Schema>,
): ConsumerStore<Transaction<Schema>> {
  const inTurn = createTurns();
  return {
    sharesTransactions: true,
    transactions: 1,
    prepare: () =>
      inTurn(async () => {
        for (const table of TABLES) await database.run(table);
        const [column] = await database.all<{ count: number }>(HAS_REVISED);
        if (column?.count === 0) await database.run(ADD_REVISED);
      }),
    transact: (work) => inTurn(() => database.transaction(work)),
    lock: async (tx, key, names) => (await tx.all<SubjectRow>(selectSubjects(key, names))).map(cursorOf),
    async saveSubjects(tx, key, cursors) {
      await tx.run(upsertSubjects(key, cursors));
    },
    async saveFeed(tx, key, { position = 0, since = 0, reconstitution = null }) {
      await tx.run(sql`insert into kilde_feeds (consumer, position, since, reconstitution)
        values (${key}, ${position}, ${since}, ${reconstitution})
        on conflict (consumer) do update set position = max(position, excluded.position),
          since = max(since, excluded.since), reconstitution = coalesce(excluded.reconstitution, reconstitution)`);
    },
    readFeed: (key) =>
      inTurn(async () => {
        const text = sql`select position, since, reconstitution from kilde_feeds where consumer = ${key}`;
        const [row] = await database.all<{ position: number; since: number; reconstitution: string | null }>(
          text,
        );
        if (row === undefined) return null;
        const { position, since, reconstitution } = row;
        return { position, since, reconstitution };
      }),
    readSubjects: (key, names) =>
      inTurn(async () => (await database.all<SubjectRow>(selectSubjects(key, names))).map(cursorOf)),
    listSubjects: (key, status, after, limit) =>
      inTurn(async () => {
        const text = sql`select ${COLUMNS} from kilde_subjects where consumer = ${key} and status = ${status}
          and status <> 'following' and subject > ${after} order by subject limit ${limit}`;
        return (await database.all<SubjectRow>(text)).map(cursorOf);
      }),
  };
}

type Transaction<Schema extends Record<string, unknown>> = Parameters<
  Parameters<LibSQLDatabase<Schema>["transaction"]>[0]
>[0];
