import { copyFileSync } from "node:fs";
import { join } from "node:path";

import Connection from "libsql";

import { migrate } from "../../src/log/migrate.ts";
import { openDatabase } from "../../src/storage/open.ts";
import type { Entry } from "./measure.ts";
import { closedLoop } from "./sample.ts";
import type { Sandbox } from "./sandbox.ts";
import * as work from "./workload.ts";

/*
 * Stores of two sizes, written as SQLite would have been left by the appends, since ten million of them would take ten
 * minutes; and a bare loop on copies of the same files.
 */

export interface Size {
  readonly name: string;
  readonly streams: number;
  readonly versions: number;
}

export const SMALL: Size = { name: "10,000 events", streams: 1_000, versions: 10 };
export const LARGE: Size = { name: "10,000,000 events", streams: 1_000_000, versions: 10 };

export const LONG_STREAM = "long";
export const LONG_VERSIONS = 500_000;

/** Events of one statement. */
const CHUNK = 500_000;

/** Rows of a transaction of the bare loop: those that 64 connections have in flight share a commit in Kilde. */
const GROUP_ROWS = 64;

export async function fillStore(file: string, { streams, versions }: Size): Promise<void> {
  const database = openDatabase({ url: `file:${file}` });
  await migrate(database);
  const write = (sql: string, args: readonly (string | number)[] = []) => database.write([{ sql, args }]);
  const counted = (from: number, count: number) =>
    `with recursive n (i) as (select ${from} union all select i + 1 from n where i + 1 < ${from + count})`;
  const now = new Date().toISOString();
  const insert = (from: number, count: number, subject: string, version: string) =>
    write(
      `${counted(from, count)} insert into events (key, subject, version, type, recorded, data)
       select i + 1, ${subject}, ${version}, ?1, ?2, ?3 from n`,
      [work.TYPES[0], now, work.eventOf(0).data],
    );
  const total = streams * versions;
  await write(
    `${counted(0, streams)} insert into subjects (id, log, name) select i + 1, 0, 'declaration-' || i from n`,
  );
  await write("insert into subjects (id, log, name) values (?1, 0, ?2)", [streams + 1, LONG_STREAM]);
  for (let from = 0; from < total; from += CHUNK) {
    await insert(from, Math.min(CHUNK, total - from), `i % ${streams} + 1`, `i / ${streams} + 1`);
  }
  await insert(total, LONG_VERSIONS, String(streams + 1), `i - ${total} + 1`);
  await write("update logs set head = ?1, recorded = ?2 where id = 0", [total + LONG_VERSIONS, now]);
  await database.read({ sql: "pragma wal_checkpoint(truncate)", args: [] });
  database.close();
}

/** Rows of events inserted at random streams of a copy of a store, as many in a transaction as share a commit. */
export function bareInserts(sandbox: Sandbox, file: string, { name, streams, versions }: Size): Entry {
  const copy = join(sandbox.folder("bare-scale"), "kilde.db");
  copyFileSync(file, copy);
  const connection = new Connection(copy);
  for (const sql of [
    "pragma journal_mode = wal",
    "pragma synchronous = full",
    "pragma wal_autocheckpoint = 10000",
    "pragma cache_size = -32768",
  ]) {
    connection.exec(sql);
  }
  const insert = connection.prepare(
    "insert into events (key, subject, version, type, recorded, data) values (?, ?, ?, ?, ?, ?)",
  );
  const last = new Map<number, number>();
  let key = streams * versions + LONG_VERSIONS;
  const group = async () => {
    connection.exec("begin immediate");
    for (let row = 0; row < GROUP_ROWS; row += 1) {
      const subject = work.randomBelow(streams) + 1;
      const version = (last.get(subject) ?? versions) + 1;
      last.set(subject, version);
      key += 1;
      const { type, data } = work.eventOf(key);
      insert.run([key, subject, version, type, new Date().toISOString(), data]);
    }
    connection.exec("commit");
    return GROUP_ROWS;
  };
  const close = async () => void connection.close();
  return {
    contender: { name: "bare loop", version: "", settings: "libsql, prepared", pid: null, close },
    task: { way: `${name}, ${GROUP_ROWS} rows in a transaction`, run: (ms) => closedLoop(1, ms, group) },
  };
}
