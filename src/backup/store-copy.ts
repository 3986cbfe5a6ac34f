import Connection from "libsql";

import { type Row, type Value } from "../storage/database.ts";
import { chunkKeys } from "../log/erase/generations.ts";
import { EVENT_LOG_ADDRESS, LOG_SPAN } from "../log/keys.ts";
import { readOnlyUrl } from "../storage/sealed-files.ts";

/*
 * Copies a store while other processes continue to write it. A copy in one read transaction would keep the write-ahead
 * log from being emptied for as long as it takes, and erased data in it. So tables are copied a few rows at a time,
 * each time from the latest state. A last transaction, which only reads the changes since then and compares the smaller
 * tables, makes the copy consistent. Two properties make this correct. Keys of new events are beyond all others of
 * their log, and events change only in a feed that an erasure reaches, which raises the generation of their range: then
 * the range is copied again. Deletions made meanwhile follow from `subjects.first_version` and `feeds.cleared`.
 */

/** Rows copied by one step: about 50 ms. */
const STEP_ROWS = 20_000;

/** Passes over newly appended events before the last transaction copies the rest; each pass has much less to do. */
const PASSES = 3;

export interface CopyOptions {
  /** Awaited after each step, while the copy holds no lock on the source. */
  readonly onStep?: (rows: number) => Promise<void> | void;
  readonly stepRows?: number;
}

interface CopiedTable {
  readonly name: string;
  /**
   * The columns that identify a row, in the order of the table: the rowid, or the primary key of a table without one.
   */
  readonly key: readonly string[];
  /** The other columns. */
  readonly columns: readonly string[];
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** The columns of a row, with its rowid if it has one. */
function columnsOf({ key, columns }: CopiedTable): readonly string[] {
  return key.includes("rowid") ? ["rowid", ...columns] : columns;
}

/** A copy in progress: the target is `main`, the store is `source`. */
export class StoreCopy {
  readonly #connection: Connection.Database;
  readonly #options: CopyOptions;
  /** Generations of ranges of positions when the copy started. */
  #generations: ReadonlyMap<string, number> = new Map();

  constructor(source: string, target: string, immutable: boolean, options: CopyOptions) {
    this.#connection = new Connection(target, { timeout: 5_000 });
    this.#options = options;
    // No other process opens the target before it is complete, and then it is synced.
    for (const pragma of [
      "journal_mode = off",
      "synchronous = off",
      "foreign_keys = off",
      "cache_size = -65536",
    ])
      this.#connection.exec(`pragma ${pragma}`);
    this.#run("attach ?1 as source", [readOnlyUrl(source, immutable)]);
  }

  #rows(sql: string, args: readonly Value[] = []): readonly Row[] {
    return this.#connection
      .prepare(sql)
      .raw(true)
      .all([...args]) as Row[];
  }

  #run(sql: string, args: readonly Value[] = []): number {
    return this.#connection.prepare(sql).run([...args]).changes;
  }

  /** Creates the tables; their indexes and triggers follow when the tables are filled. */
  createTables(): CopiedTable[] {
    const tables = this.#rows(
      "select name, sql from source.sqlite_master where type = 'table' and name not like 'sqlite!_%' escape '!'",
    );
    return tables.map(([name, sql]) => {
      const table = String(name);
      this.#connection.exec(String(sql));
      const columns = this.#rows("select name from pragma_table_info(?1)", [table]);
      const key = this.#rows(
        `select info.name from pragma_table_list as listed cross join pragma_table_info(listed.name) as info
        where listed.schema = 'main' and listed.name = ?1 and listed.wr = 1 and info.pk > 0 order by info.pk`,
        [table],
      );
      return {
        name: table,
        key: key.length === 0 ? ["rowid"] : key.map((row) => quoted(String(row[0]))),
        columns: columns.map((row) => quoted(String(row[0]))),
      };
    });
  }

  /** Copies the current rows of a table other than the events, a step at a time. */
  async copyRows(table: CopiedTable): Promise<void> {
    const [name, key, list] = [quoted(table.name), table.key.join(", "), columnsOf(table).join(", ")];
    const last = table.key.map((column) => `${column} desc`).join(", ");
    for (let copied = this.#stepRows; copied === this.#stepRows;) {
      const after = this.#rows(`select ${key} from main.${name} order by ${last} limit 1`)[0] as
        | Value[]
        | undefined;
      const bounds = table.key.map((_, index) => `?${index + 2}`).join(", ");
      copied = this.#run(
        `insert into main.${name} (${list}) select ${list} from source.${name}
        ${after === undefined ? "" : `where (${key}) > (${bounds})`} order by ${key} limit ?1`,
        [this.#stepRows, ...(after ?? [])],
      );
      if (copied > 0) await this.#options.onStep?.(copied);
    }
  }

  get #stepRows(): number {
    return this.#options.stepRows ?? STEP_ROWS;
  }

  #logs(): number[] {
    return this.#rows("select id from source.logs order by id").map((row) => Number(row[0]));
  }

  /** Reads the erasure generations of all ranges of positions. */
  #readGenerations(): { log: number; chunk: number; generation: number }[] {
    if (!this.#has("erasure_generations", "generation")) return [];
    const rows = this.#rows("select log, chunk, generation from source.erasure_generations");
    return rows.map((row) => ({ log: Number(row[0]), chunk: Number(row[1]), generation: Number(row[2]) }));
  }

  noteGenerations(): void {
    const noted = this.#readGenerations();
    this.#generations = new Map(noted.map(({ log, chunk, generation }) => [`${log} ${chunk}`, generation]));
  }

  /** Copies the feed ranges that an erasure has reached since the copy started once more. */
  #copyErased(): void {
    for (const { log, chunk, generation } of this.#readGenerations()) {
      if (log === EVENT_LOG_ADDRESS.id || this.#generations.get(`${log} ${chunk}`) === generation) continue;
      const range = chunkKeys(log, chunk);
      this.#run("delete from main.events where key >= ?1 and key < ?2", range);
      this.#run("insert into main.events select * from source.events where key >= ?1 and key < ?2", range);
    }
  }

  /** Whether a table has a column: stores of older versions lack some. */
  #has(table: string, column: string): boolean {
    return this.#rows("select 1 from pragma_table_info(?1) where name = ?2", [table, column]).length > 0;
  }

  /** Copies events of a log that follow those in the copy; a negative limit copies all. */
  #copyEventsOf(log: number, limit: number): number {
    const [from, end] = [log * LOG_SPAN, (log + 1) * LOG_SPAN];
    return this.#run(
      `insert into main.events select * from source.events
      where key > coalesce((select max(key) from main.events where key >= ?1 and key < ?2), ?1 - 1) and key < ?2
      order by key limit ?3`,
      [from, end, limit],
    );
  }

  /** Copies the events that exist now, a step at a time. */
  async copyEvents(): Promise<void> {
    for (let pass = 0; pass < PASSES; pass += 1) {
      for (const log of this.#logs()) {
        for (let copied = this.#stepRows; copied === this.#stepRows;) {
          copied = this.#copyEventsOf(log, this.#stepRows);
          if (copied > 0) await this.#options.onStep?.(copied);
        }
      }
    }
  }

  /** Makes a table that was copied in steps equal to the source. */
  #reconcile(table: CopiedTable): void {
    const { key, columns } = table;
    const name = quoted(table.name);
    const list = columnsOf(table);
    const isSame = key.map((column) => `copied.${column} = now.${column}`).join(" and ");
    const differs = columns.map((column) => `copied.${column} is not now.${column}`);
    this.#run(
      `delete from main.${name} as copied where not exists (select 1 from source.${name} as now where ${isSame})`,
    );
    this.#run(
      `insert or replace into main.${name} (${list.join(", ")})
      select ${list.map((column) => `now.${column}`).join(", ")}
      from source.${name} as now left join main.${name} as copied on ${isSame}
      where copied.${key[0]} is null or ${differs.join(" or ")}`,
    );
  }

  /** Copies new rows and compares the rest, in one transaction: from then on the copy shows one moment. */
  finish(tables: readonly CopiedTable[]): void {
    this.#connection.exec("begin");
    for (const log of this.#logs()) this.#copyEventsOf(log, -1);
    this.#copyErased();
    for (const table of tables) if (table.name !== "events") this.#reconcile(table);
    // The inserts have advanced the sequence.
    if (this.#rows("select 1 from source.sqlite_master where name = 'sqlite_sequence'").length > 0) {
      this.#run("delete from main.sqlite_sequence");
      this.#run("insert into main.sqlite_sequence select * from source.sqlite_sequence");
    }
    this.#connection.exec("commit");
  }

  /**
   * Deletes events of feeds that the source cleared after they were copied. The index of subjects and versions has to
   * wait for this, since new subjects may reuse the ids of cleared ones.
   */
  dropCleared(): void {
    if (!this.#has("feeds", "cleared")) return;
    this.#run(
      `delete from events where key in (select event.key from feeds cross join events as event
        on event.key >= feeds.log * ${LOG_SPAN} and event.key <= feeds.log * ${LOG_SPAN} + feeds.cleared)`,
    );
    this.#run(
      `delete from events where key in (select event.key from feeds cross join events as event
        on event.key >= feeds.log * ${LOG_SPAN} and event.key < (feeds.log + 1) * ${LOG_SPAN}
        where feeds.status in ('retiring', 'rebuilding')
          and not exists (select 1 from subjects where id = event.subject and log = feeds.log))`,
    );
  }

  createIndexes(): void {
    const rest = this.#rows(
      "select sql from source.sqlite_master where type in ('index', 'trigger', 'view') and sql is not null order by type",
    );
    this.#connection.exec("detach source");
    for (const [sql] of rest) this.#connection.exec(String(sql));
  }

  /**
   * Deletes events that the source truncated or erased after they were copied, and those that it is about to delete.
   */
  dropTruncated(): void {
    this.#run(
      `delete from events where key in (select event.key from subjects cross join events as event
        on event.subject = subjects.id and event.version < subjects.first_version where subjects.first_version > 1)`,
    );
    this.#run("update subjects set sweep = 0 where sweep <> 0");
    // Copies of erased data that older versions left in the store's file are not in the copy.
    if (this.#has("erasures", "sweep")) this.#run("update erasures set sweep = 1 where sweep < 0");
  }

  close(): void {
    this.#connection.close();
  }
}
