import { copyFileSync } from "node:fs";
import { join } from "node:path";

import Connection from "libsql";

import type { BenchmarkOptions } from "./course.ts";
import { configOf, type FeedKind } from "./feed-configs.ts";
import { append, type KildeServer, startServer } from "./kilde-server.ts";
import { medianRow } from "./measure.ts";
import { type Round, type Row, roundOf } from "./results.ts";
import type { Sandbox } from "./sandbox.ts";
import { FOUR_AT_ONCE, STATEFUL, STATELESS } from "./ways.ts";

/* How fast feeds are built, beside a loop that reads and inserts as many rows. */

/** Events that a new version of a feed is built from: so many that starting its thread weighs little. */
const SOURCE_EVENTS = 300_000;

/** Rows of one transaction of the bare loop, as of the projection. */
const BATCH_ROWS = 500;

interface FeedStatus {
  readonly status: string;
  readonly head: number;
  readonly lag: { readonly events: number };
}

/** Resolves when a feed has published all that its source holds. */
export async function untilLive({ request }: KildeServer, path: string): Promise<FeedStatus> {
  for (;;) {
    const state = await request<FeedStatus>("GET", `${path}/status`);
    if (state.status === "live" && state.lag.events === 0) return state;
    await Bun.sleep(5);
  }
}

/** Rows of the source read, and as many inserted beside them, prepared, in transactions of the projection's size. */
function bareRate(file: string): number {
  const connection = new Connection(file);
  const sqlSettings = [
    "pragma synchronous = full",
    "pragma wal_autocheckpoint = 10000",
    "pragma cache_size = -32768",
  ];
  for (const sql of sqlSettings) connection.exec(sql);
  connection.exec(`create table bare (key integer primary key, subject integer not null, version integer not null,
    type text not null, time text, recorded text not null, data text, extensions text, unique (subject, version))`);
  const read = connection.prepare("select * from events where key > ? order by key limit ?").raw(true);
  const insert = connection.prepare("insert into bare values (?, ?, ?, ?, ?, ?, ?, ?)");
  const started = performance.now();
  let last = 0;
  let count = 0;
  for (;;) {
    const rows = read.all([last, BATCH_ROWS]) as [number, ...unknown[]][];
    const end = rows.at(-1);
    if (end === undefined) break;
    connection.exec("begin immediate");
    for (const row of rows) insert.run(row);
    connection.exec("commit");
    last = end[0];
    count += rows.length;
  }
  const rate = (count * 1_000) / (performance.now() - started);
  connection.close();
  return rate;
}

/** A source to build feeds from, as a file that is copied for each round. */
async function filledFile(sandbox: Sandbox, command: readonly string[]): Promise<string> {
  const file = join(sandbox.folder("source"), "kilde.db");
  const kilde = await startServer(sandbox, command, { file, config: configOf([]) });
  await append(kilde, SOURCE_EVENTS);
  await kilde.server.stop();
  // The file alone is to be all there is.
  const connection = new Connection(file);
  connection.exec("pragma wal_checkpoint(truncate)");
  connection.close();
  return file;
}

/** Events of feeds published a second, from the server's first answer until all of these new feeds are live. */
async function buildRate(
  sandbox: Sandbox,
  command: readonly string[],
  file: string,
  feeds: readonly FeedKind[],
): Promise<number> {
  const kilde = await startServer(sandbox, command, { file, config: configOf(feeds) });
  const started = performance.now();
  const live = await Promise.all(
    feeds.map((kind, index) => untilLive(kilde, `/feeds/${kind}/v${index + 1}`)),
  );
  const seconds = (performance.now() - started) / 1_000;
  await kilde.server.stop();
  for (const { head } of live) {
    if (head !== SOURCE_EVENTS) throw new Error(`${head} events were published, not ${SOURCE_EVENTS}`);
  }
  return (SOURCE_EVENTS * feeds.length) / seconds;
}

/** Events published a second: by one feed, and by four feeds of one source that are built at once. */
export async function measureProjection(
  sandbox: Sandbox,
  { command, rounds }: BenchmarkOptions,
): Promise<Row[]> {
  const source = await filledFile(sandbox, command);
  const copied = () => {
    const file = join(sandbox.folder("projection"), "kilde.db");
    copyFileSync(source, file);
    return file;
  };
  const variants: { way: string; feeds: readonly FeedKind[]; rounds: Round[] }[] = [
    { way: STATELESS, feeds: ["stateless"], rounds: [] },
    { way: STATEFUL, feeds: ["stateful"], rounds: [] },
    { way: FOUR_AT_ONCE, feeds: Array(4).fill("stateless"), rounds: [] },
  ];
  const bare: Round[] = [];
  for (let round = 0; round < rounds; round += 1) {
    for (const { feeds, rounds: its } of variants) {
      its.push(roundOf(await buildRate(sandbox, command, copied(), feeds)));
    }
    bare.push(roundOf(bareRate(copied())));
  }
  const settings = command.join(" ");
  const ours = variants[0]?.rounds ?? [];
  return [
    ...variants.map(({ way, rounds: its }) => medianRow({ contender: "Kilde", way, settings }, its, ours)),
    medianRow({ contender: "bare loop", way: "read and insert", settings: "libsql, prepared" }, bare, ours),
  ];
}
