import { type SQL, sql } from "drizzle-orm";

import { retryContended } from "./contention.ts";
import type { LibsqlStatements } from "./drizzle-statements.ts";
import type { ConsumerStore, FeedCursor, SubjectCursor, SubjectSelection, SubjectStatus } from "./store.ts";
import { createSerialQueue } from "./serial-queue.ts";

/** The methods of a drizzle database on libSQL that the store calls; `Tx` is its transaction. */
export interface LibsqlDatabase<Tx> {
  run(statement: never): PromiseLike<unknown>;
  all(statement: never): PromiseLike<unknown[]>;
  transaction<Result>(work: (tx: Tx) => Promise<Result>): Promise<Result>;
}

const TABLES = [
  sql`create table if not exists kilde_feeds (
    consumer text primary key not null, position integer not null, since integer not null, reconstitution text,
    identity text
  ) without rowid`,
  sql`create table if not exists kilde_subjects (
    consumer text not null, subject text not null, version integer not null, known integer not null,
    position integer not null, source integer not null, status text not null, failure text, identity text,
    revised integer not null default 0, primary key (consumer, subject)
  ) without rowid`,
  sql`create index if not exists kilde_subjects_aside on kilde_subjects (consumer, status, subject)
    where status <> 'following'`,
];

/** Columns that tables of earlier versions of this store lack. */
const ADDED_COLUMNS = [
  { table: "kilde_feeds", column: "identity", type: "text" },
  { table: "kilde_subjects", column: "identity", type: "text" },
  { table: "kilde_subjects", column: "revised", type: "integer not null default 0" },
] as const;

async function addColumns(statements: LibsqlStatements): Promise<void> {
  for (const { table, column, type } of ADDED_COLUMNS) {
    const columns = await statements.all<{ name: string }>(sql`select name from pragma_table_info(${table})`);
    if (columns.some(({ name }) => name === column)) continue;
    await statements.run(sql.raw(`alter table ${table} add column ${column} ${type}`));
  }
}

/** A row as the driver returns it. */
interface SubjectRow {
  readonly subject: string;
  readonly version: number;
  readonly known: number;
  readonly position: number;
  readonly source: number;
  readonly status: SubjectStatus;
  readonly failure: string | null;
  readonly identity: string | null;
  readonly revised: number;
}

const COLUMNS = sql.raw("subject, version, known, position, source, status, failure, identity, revised");

function cursorOf({ subject, version, known, position, source, status, ...row }: SubjectRow): SubjectCursor {
  const { failure, identity, revised } = row;
  return { subject, version, known, position, source, status, failure, identity, revised };
}

function isSelected(selection: SubjectSelection): SQL {
  if ("status" in selection) return sql`status = ${selection.status} and status <> 'following'`;
  if ("notOf" in selection) return sql`identity <> ${selection.notOf}`;
  return selection.upTo === null ? sql`true` : sql`subject <= ${selection.upTo}`;
}

function selectSubjects(key: string, names: readonly string[]): SQL {
  return sql`select ${COLUMNS} from kilde_subjects
    where consumer = ${key} and subject in (select value from json_each(${JSON.stringify(names)}))`;
}

function upsertSubjects(key: string, cursors: readonly SubjectCursor[]): SQL {
  const rows = cursors.map((cursor) => {
    const { subject, version, known, position, source, status, failure, identity, revised = 0 } = cursor;
    return [subject, version, known, position, source, status, failure, identity, revised];
  });
  return sql`insert into kilde_subjects (consumer, ${COLUMNS})
    select ${key}, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
      value ->> 7, value ->> 8
    from json_each(${JSON.stringify(rows)}) where true
    on conflict (consumer, subject) do update set version = excluded.version, known = excluded.known,
      position = excluded.position, source = excluded.source, status = excluded.status, failure = excluded.failure,
      identity = excluded.identity, revised = excluded.revised`;
}

function statementsOf(of: unknown): LibsqlStatements {
  return of as LibsqlStatements;
}

/**
 * Keeps cursors in a libSQL database, in two tables: `kilde_feeds` and `kilde_subjects`. Handlers get a drizzle
 * transaction with the user's own schema. Transactions of this store run one at a time: a file has one writer. If
 * another connection writes to the same file while a handler waits for something other than the database, that write
 * blocks this process until it gives up (`timeout` of the client) and fails.
 *
 * @example
 * ```ts
 * import { createClient } from "@libsql/client";
 * import { drizzle } from "drizzle-orm/libsql";
 * import { libsqlStore } from "kilde/consumer";
 *
 * const store = libsqlStore(drizzle(createClient({ url: "file:billing.db" })));
 * ```
 */
export function libsqlStore<Tx>(database: LibsqlDatabase<Tx>): ConsumerStore<Tx> {
  const statements = statementsOf(database);
  const enqueue = createSerialQueue();
  return {
    sharesTransactions: true,
    transactions: 1,
    prepare: () =>
      enqueue(async () => {
        for (const table of TABLES) await statements.run(table);
        await addColumns(statements);
      }),
    transact: (work) => enqueue(() => retryContended(() => database.transaction(work))),
    lock: async (tx, key, names) =>
      (await statementsOf(tx).all<SubjectRow>(selectSubjects(key, names))).map(cursorOf),
    async saveSubjects(tx, key, cursors) {
      await statementsOf(tx).run(upsertSubjects(key, cursors));
    },
    async saveFeed(tx, key, { position = 0, since = 0, reconstitution = null, identity }) {
      await statementsOf(tx)
        .run(sql`insert into kilde_feeds (consumer, position, since, reconstitution, identity)
        values (${key}, ${position}, ${since}, ${reconstitution}, ${identity})
        on conflict (consumer) do update set position = max(position, excluded.position),
          since = max(since, excluded.since), reconstitution = coalesce(excluded.reconstitution, reconstitution),
          identity = excluded.identity
        where identity is null or identity is excluded.identity`);
    },
    async replaceFeed(tx, key, from, { position, since, reconstitution, identity }) {
      await statementsOf(tx).run(sql`update kilde_feeds set position = ${position}, since = ${since},
        reconstitution = ${reconstitution}, identity = ${identity} where consumer = ${key} and identity is ${from}`);
    },
    readFeed: (key) =>
      enqueue(async () => {
        const text = sql`select position, since, reconstitution, identity from kilde_feeds where consumer = ${key}`;
        const [row] = await statements.all<FeedCursor>(text);
        if (row === undefined) return null;
        const { position, since, reconstitution, identity } = row;
        return { position, since, reconstitution, identity };
      }),
    readSubjects: (key, names) =>
      enqueue(async () => (await statements.all<SubjectRow>(selectSubjects(key, names))).map(cursorOf)),
    listSubjects: (key, selection, after, limit) =>
      enqueue(async () => {
        const text = sql`select ${COLUMNS} from kilde_subjects where consumer = ${key} and known > 0
          and ${isSelected(selection)} and subject > ${after} order by subject limit ${limit}`;
        return (await statements.all<SubjectRow>(text)).map(cursorOf);
      }),
  };
}
