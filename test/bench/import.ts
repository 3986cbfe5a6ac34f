import { join } from "node:path";

import Connection from "libsql";

import type { BenchmarkOptions } from "./course.ts";
import { residentMb } from "./cpu.ts";
import { headOf, type KildeServer, startServer } from "./kilde-server.ts";
import { openLoad } from "./load.ts";
import { medianRow } from "./measure.ts";
import { randomAppends } from "./requests.ts";
import { type Round, type Row, roundOf, type WorkResult } from "./results.ts";
import type { Sandbox } from "./sandbox.ts";
import { MORE_MEMORY } from "./ways.ts";
import { resultOf } from "./work-result.ts";
import * as work from "./workload.ts";

/*
 * `kilde import` of files with new streams of five events, beside a loop that writes the same rows; and the memory that
 * the server holds when it is idle again.
 */

const VERSIONS = 5;

/** Rows of one transaction of the bare loop: the lines that an import sends at once. */
const TRANSACTION_ROWS = 1_000;

const APPENDED = 100_000;
const CONNECTIONS = 64;

/** Time that a server has to give back the memory that it no longer needs. */
const IDLE_MS = 10_000;

const streamOf = (round: number, place: number) => `import-${round}-${place}`;

/** Lines of a file: its streams in turn, as events of many entities come in the order of time. */
function* linesOf(round: number, lines: number): Generator<string> {
  const streams = Math.ceil(lines / VERSIONS);
  for (let n = 0; n < lines; n += 1) {
    const { type, data } = work.eventOf(n);
    yield `{"stream":"${streamOf(round, n % streams)}","type":"${type}","data":${data}}\n`;
  }
}

async function writeLines(file: string, round: number, lines: number): Promise<void> {
  const writer = Bun.file(file).writer();
  for (const line of linesOf(round, lines)) void writer.write(line);
  await writer.end();
}

/** Lines imported a second, by a process of the command line that sends them to a server. */
async function importRate(
  command: readonly string[],
  { url }: KildeServer,
  file: string,
  lines: number,
): Promise<number> {
  const started = performance.now();
  const child = Bun.spawn([...command, "import", file, "--url", url], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  const [exitCode, output] = await Promise.all([child.exited, new Response(child.stderr).text()]);
  if (exitCode !== 0) throw new Error(output);
  return (lines * 1_000) / (performance.now() - started);
}

/** A database with the tables that an import fills. It grows round by round, as the store does. */
function openBare(sandbox: Sandbox): Connection.Database {
  const connection = new Connection(join(sandbox.folder("bare"), "bare.db"));
  for (const sql of [
    "pragma journal_mode = wal",
    "pragma synchronous = full",
    "pragma wal_autocheckpoint = 10000",
    "pragma cache_size = -32768",
    "create table subjects (id integer primary key, log integer not null, name text not null, unique (log, name))",
    `create table events (key integer primary key, subject integer not null, version integer not null, type text not null,
      time text, recorded text not null, data text, extensions text, unique (subject, version))`,
  ]) {
    connection.exec(sql);
  }
  return connection;
}

/** Rows of streams and events inserted a second, prepared; the loop knows the keys. */
function bareRate(connection: Connection.Database, round: number, lines: number): number {
  const insertSubject = connection.prepare("insert into subjects (id, log, name) values (?, 0, ?)");
  const insertEvent = connection.prepare(
    "insert into events (subject, version, type, recorded, data) values (?, ?, ?, ?, ?)",
  );
  const streams = Math.ceil(lines / VERSIONS);
  const firstSubject = round * streams + 1;
  const started = performance.now();
  for (let first = 0; first < lines; first += TRANSACTION_ROWS) {
    connection.exec("begin immediate");
    for (let n = first; n < Math.min(first + TRANSACTION_ROWS, lines); n += 1) {
      const place = n % streams;
      if (n < streams) insertSubject.run([firstSubject + place, streamOf(round, place)]);
      const { type, data } = work.eventOf(n);
      const version = Math.floor(n / streams) + 1;
      insertEvent.run([firstSubject + place, version, type, new Date().toISOString(), data]);
    }
    connection.exec("commit");
  }
  return (lines * 1_000) / (performance.now() - started);
}

async function appendMany(kilde: KildeServer): Promise<void> {
  const before = await headOf(kilde);
  const options = { port: kilde.port, connections: CONNECTIONS, status: 201, eventsPerRequest: 1 };
  const load = await openLoad({ ...options, next: randomAppends(kilde.port, 1) });
  while ((await headOf(kilde)) < before + APPENDED) await load.run(500);
  load.close();
}

function memoryRows(settings: string, start: number, idle: number): Row[] {
  const row = (way: string, mb: number) =>
    medianRow({ contender: "Kilde", way, settings }, [roundOf(mb)], [roundOf(start)]);
  return [row(MORE_MEMORY, idle - start), row("at start", start), row("idle again", idle)];
}

/** Lines a second, by turns into one server and one database; then the server's memory. */
export async function measureImport(
  sandbox: Sandbox,
  { command, rounds, importLines }: BenchmarkOptions,
): Promise<readonly WorkResult[]> {
  const kilde = await startServer(sandbox, command);
  await Bun.sleep(IDLE_MS);
  const start = residentMb(kilde.server.pid) ?? Number.NaN;
  const connection = openBare(sandbox);
  const folder = sandbox.folder("lines");
  const imported: Round[] = [];
  const bare: Round[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const file = join(folder, `${round}.ndjson`);
    await writeLines(file, round, importLines);
    imported.push(roundOf(await importRate(command, kilde, file, importLines)));
    bare.push(roundOf(bareRate(connection, round, importLines)));
    await Bun.file(file).delete();
  }
  connection.close();
  const stored = await headOf(kilde);
  if (stored !== rounds * importLines)
    throw new Error(`${stored} of ${rounds * importLines} lines are stored`);
  await appendMany(kilde);
  await Bun.sleep(IDLE_MS);
  const idle = residentMb(kilde.server.pid) ?? Number.NaN;
  await kilde.server.stop();
  const settings = command.join(" ");
  const lines = importLines.toLocaleString("en");
  const total = stored.toLocaleString("en");
  return [
    resultOf("import", `kilde import of ${lines} lines on new streams of ${VERSIONS} events`, "events/s", [
      medianRow({ contender: "Kilde", way: "kilde import", settings }, imported, imported),
      medianRow(
        { contender: "bare loop", way: "insert the same rows", settings: "libsql, prepared" },
        bare,
        imported,
      ),
    ]),
    resultOf(
      "memory",
      `Memory after ${total} imported and ${APPENDED.toLocaleString("en")} appended events, idle again`,
      "MB",
      memoryRows(settings, start, idle),
    ),
  ];
}
