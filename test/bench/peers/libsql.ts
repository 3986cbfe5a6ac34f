import { join } from "node:path";

import { type Client, createClient, type InStatement } from "@libsql/client";
import Connection from "libsql";

import type { Contender, Start, Task } from "../contender.ts";
import { closedLoop } from "../sample.ts";
import { PREPARED, SAME_GROUPS } from "../ways.ts";
import * as work from "../workload.ts";

/*
 * The ceiling: the rows of Kilde's events, with nothing around them. No server, no names to look up, no versions
 * to check; the loop knows them. The file is set as Kilde sets its own, so that only Kilde differs.
 */

const SETTINGS = [
  "pragma journal_mode = wal",
  "pragma synchronous = full",
  "pragma wal_autocheckpoint = 10000",
  "pragma cache_size = -32768",
];

const TABLE = `create table events (
  key integer primary key, subject integer not null, version integer not null, type text not null, time text,
  recorded text not null, data text, extensions text, unique (subject, version))`;

/** Appends of many that Kilde writes in one commit, when as many wait. */
const GROUP_APPENDS = 20;

const INSERT = "insert into events values (?, ?, ?, ?, ?, ?, ?, ?)";
const SELECT_PAGE = "select * from events where key > ? order by key limit ?";
const SELECT_STREAM = "select * from events where subject = ? order by version";

type RowValues = [number, number, number, string, null, string, string, null];

/** The row of the next event of a stream. */
function rowMaker() {
  const versions = new Map<number, number>();
  let key = 0;
  return (subject: number): RowValues => {
    key += 1;
    const version = (versions.get(subject) ?? 0) + 1;
    versions.set(subject, version);
    const { type, data } = work.eventOf(key);
    return [key, subject, version, type, null, new Date().toISOString(), data, null];
  };
}

async function openClient(path: string): Promise<Client> {
  // Settings belong to a connection; with one connection they are kept.
  const client = createClient({ url: `file:${path}`, concurrency: 1 });
  for (const sql of SETTINGS) await client.execute({ sql, args: [] });
  await client.execute({ sql: TABLE, args: [] });
  return client;
}

function openConnection(path: string): Connection.Database {
  const connection = new Connection(path);
  for (const sql of [...SETTINGS, TABLE]) connection.exec(sql);
  return connection;
}

export const startLibsql: Start = async (sandbox) => {
  const folder = sandbox.folder("libsql");
  const client = await openClient(join(folder, "client.db"));
  const connection = openConnection(join(folder, "prepared.db"));
  const insert = connection.prepare(INSERT);
  const clientRow = rowMaker();
  const preparedRow = rowMaker();
  const manifest = Bun.resolveSync("@libsql/client/package.json", import.meta.dir);
  const { version } = (await Bun.file(manifest).json()) as { version: string };

  const countSql = "select count(*) as count from events";
  const clientStored = async () => Number((await client.execute({ sql: countSql, args: [] })).rows[0]?.[0]);
  const preparedStored = async () => {
    const [count] = connection.prepare(countSql).raw(true).all([]) as number[][];
    return Number(count?.[0]);
  };
  const randomSubject = () => work.randomBelow(work.STREAMS);
  const insertBatch = async (subjects: readonly number[]) => {
    const statements = subjects.map((subject): InStatement => ({ sql: INSERT, args: clientRow(subject) }));
    await client.batch(statements, "write");
    return subjects.length;
  };
  const read = async (sql: string, args: number[]) => (await client.execute({ sql, args })).rows;

  return {
    name: "bare loop",
    version: `@libsql/client ${version}`,
    settings: "no server; WAL, synchronous full, checkpoint and cache as Kilde sets them",
    pid: null,
    // One at a time, whatever is in flight: a call blocks until the row is on disk.
    async singles() {
      const append = async () => {
        await client.execute({ sql: INSERT, args: clientRow(randomSubject()) });
        return 1;
      };
      const way = "@libsql/client, one fsynced insert a call";
      return [{ way, run: (ms) => closedLoop(1, ms, append), stored: clientStored }];
    },
    async batches(inFlight) {
      const batch = () => insertBatch(Array(work.BATCH).fill(randomSubject()));
      const transaction = (appends: number) => async () => {
        connection.exec("begin immediate");
        for (let append = 0; append < appends; append += 1) {
          const subject = randomSubject();
          for (let row = 0; row < work.BATCH; row += 1) insert.run(preparedRow(subject));
        }
        connection.exec("commit");
        return appends * work.BATCH;
      };
      const prepared = (way: string, appends: number): Task => ({
        way,
        run: (ms) => closedLoop(1, ms, transaction(appends)),
        stored: preparedStored,
      });
      return [
        { way: "@libsql/client, batch", run: (ms) => closedLoop(1, ms, batch), stored: clientStored },
        prepared(PREPARED, 1),
        ...(inFlight > 1 ? [prepared(SAME_GROUPS, Math.min(inFlight, GROUP_APPENDS))] : []),
      ];
    },
    async fill() {
      for (let start = 0; start < work.HISTORY; start += work.PAGE) {
        const subjects = Array.from(
          { length: work.PAGE },
          (_, offset) => (start + offset) % work.HISTORY_STREAMS,
        );
        await insertBatch(subjects);
      }
    },
    async pages() {
      let cursor = 0;
      const page = async () => {
        const rows = await read(SELECT_PAGE, [cursor, work.PAGE]);
        cursor = rows.length === work.PAGE ? Number(rows.at(-1)?.[0]) : 0;
        return rows.length;
      };
      return [{ way: "@libsql/client", run: (ms) => closedLoop(1, ms, page) }];
    },
    async streams() {
      const stream = async () => {
        const rows = await read(SELECT_STREAM, [work.randomBelow(work.HISTORY_STREAMS)]);
        if (rows.length !== work.HISTORY_VERSIONS) throw new Error(`${rows.length} events of a stream`);
        return rows.length;
      };
      return [{ way: "@libsql/client", run: (ms) => closedLoop(1, ms, stream) }];
    },
    async close() {
      client.close();
      connection.close();
    },
  } satisfies Contender;
};
