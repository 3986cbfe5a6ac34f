import { tmpdir } from "node:os";

import { measureCommands } from "./commands.ts";
import { measureConsuming, measureEnsure, measureReconstitution, RECONSTITUTED } from "./consumers.ts";
import { type Contender, NotInstalled, type Start } from "./contender.ts";
import { measureAppendsWithFeeds, measureFeedLatency, measureProjection } from "./feeds.ts";
import { EVENTS_PER_SECOND, measureFollowers } from "./followers.ts";
import { measureKeys } from "./keys.ts";
import { startKilde } from "./kilde.ts";
import { describeMachine } from "./machine.ts";
import { type Entry, measure } from "./measure.ts";
import { CONNECTIONS, measureNodes } from "./nodes.ts";
import { startLibsql } from "./peers/libsql.ts";
import { startMessageDb } from "./peers/message-db.ts";
import { startNats } from "./peers/nats.ts";
import { startRedis } from "./peers/redis.ts";
import type { Results, Row, WorkResult } from "./results.ts";
import { openSandbox, type Sandbox } from "./sandbox.ts";
import { measureScale } from "./scale.ts";
import { measureStart } from "./start.ts";
import { machineLines } from "./table.ts";
import { measureTakeover } from "./takeover.ts";
import { verdictsFor } from "./targets.ts";
import { measureDeliveries, measureDeliveryLatency } from "./webhooks.ts";
import { measureWorker } from "./worker.ts";
import { TIMED_WORKS, type TimedWork } from "./works.ts";

export interface BenchmarkOptions {
  /** How Kilde is started, without `serve`. */
  readonly command: readonly string[];
  /** How it is started from source; and the compiled program, where there is one. */
  readonly source: readonly string[];
  readonly binary: string | null;
  /** Names of works. */
  readonly works: readonly string[];
  /** Whether the other servers take part. */
  readonly peers: boolean;
  readonly rounds: number;
  readonly roundMs: number;
  readonly followers: number;
  readonly onResult: (work: WorkResult) => void;
  readonly print: (text: string) => void;
}

const PEERS: Readonly<Record<string, Start>> = {
  "NATS JetStream": startNats,
  "Redis streams": startRedis,
  "message-db": startMessageDb,
};

interface Field {
  readonly contenders: readonly Contender[];
  readonly missing: Readonly<Record<string, string>>;
}

/** Starts all that take part, each on an empty store; Kilde is the first. */
async function startAll(sandbox: Sandbox, { command, peers }: BenchmarkOptions): Promise<Field> {
  const contenders: Contender[] = [await startKilde(sandbox, { command }), await startLibsql(sandbox)];
  const missing: Record<string, string> = {};
  for (const [name, start] of peers ? Object.entries(PEERS) : []) {
    try {
      contenders.push(await start(sandbox));
    } catch (error) {
      if (!(error instanceof NotInstalled)) throw error;
      missing[name] = `${error.message} is not installed`;
    }
  }
  return { contenders, missing };
}

async function withAll<Result>(
  sandbox: Sandbox,
  options: BenchmarkOptions,
  use: (field: Field) => Promise<Result>,
): Promise<Result> {
  const field = await startAll(sandbox, options);
  const result = await use(field);
  for (const contender of field.contenders) await contender.close();
  return result;
}

function resultOf(name: string, title: string, unit: WorkResult["unit"], rows: readonly Row[]): WorkResult {
  return { name, title, unit, rows, verdicts: verdictsFor(name, unit, rows) };
}

async function runTimed(work: TimedWork, field: Field, options: BenchmarkOptions): Promise<WorkResult> {
  const entries: Entry[] = [];
  for (const contender of field.contenders) {
    for (const task of await work.tasks(contender)) entries.push({ contender, task });
  }
  const { rounds, roundMs } = options;
  const rows = await measure(entries, { rounds, roundMs });
  for (const { task } of entries) await task.close?.();
  return resultOf(work.name, work.title, "events/s", rows);
}

async function runFollowers(field: Field, options: BenchmarkOptions): Promise<WorkResult[]> {
  const { followers, rounds, roundMs } = options;
  const { latency, memory } = await measureFollowers(field.contenders, followers, rounds, roundMs);
  const title = `${followers} followers, ${EVENTS_PER_SECOND} events/s: from append to each follower, median`;
  return [
    resultOf("followers", title, "ms", latency),
    resultOf("follower-memory", "Server memory for each follower", "KB", memory),
  ];
}

async function runStart(sandbox: Sandbox, options: BenchmarkOptions): Promise<WorkResult[]> {
  const programs = [
    ...(options.binary === null ? [] : [{ name: "binary", command: [options.binary] }]),
    { name: "source", command: options.source },
  ];
  const { time, memory } = await measureStart(sandbox, programs, options.rounds);
  return [
    resultOf("start", "From starting the process to its first 200", "ms", time),
    resultOf("idle-memory", "Memory when idle", "MB", memory),
  ];
}

async function runScale(
  sandbox: Sandbox,
  { command, rounds, roundMs }: BenchmarkOptions,
): Promise<WorkResult[]> {
  const { appends, oneByOne, tails } = await measureScale(sandbox, command, { rounds, roundMs });
  return [
    resultOf(
      "scale-append-64",
      "Appends of one event to stores of two sizes, 64 connections",
      "events/s",
      appends,
    ),
    resultOf(
      "scale-append-1",
      "Appends of one event to stores of two sizes, 1 connection",
      "events/s",
      oneByOne,
    ),
    resultOf("scale-tail", "The last 10 events of one stream, 1 connection", "events/s", tails),
  ];
}

/** Runs the works that are asked for. All servers and files are gone when it ends. */
export async function runBenchmark(options: BenchmarkOptions): Promise<Results> {
  const sandbox = openSandbox();
  const results: WorkResult[] = [];
  const take = (found: readonly WorkResult[]) => {
    results.push(...found);
    found.forEach(options.onResult);
  };
  const wanted = (name: string) => options.works.includes(name);
  try {
    const machine = await withAll(sandbox, options, async ({ contenders, missing }) => {
      const versions = contenders.map(({ name, version, settings }) => [name, `${version}; ${settings}`]);
      return describeMachine(tmpdir(), Object.fromEntries(versions), missing);
    });
    options.print(machineLines(machine));
    options.print(
      `${options.rounds} rounds of ${options.roundMs} ms, in turn; medians, ratios within rounds`,
    );

    for (const reads of [false, true]) {
      const works = TIMED_WORKS.filter((work) => work.reads === reads && wanted(work.name));
      if (works.length === 0) continue;
      await withAll(sandbox, options, async (field) => {
        if (reads) for (const contender of field.contenders) await contender.fill?.();
        for (const work of works) take([await runTimed(work, field, options)]);
      });
    }
    if (wanted("followers")) {
      take(await withAll(sandbox, options, (field) => runFollowers(field, options)));
    }
    const { command, rounds, roundMs } = options;
    if (wanted("projection")) {
      const rows = await measureProjection(sandbox, command, rounds);
      take([resultOf("projection", "Building a feed: source events projected", "events/s", rows)]);
    }
    if (wanted("feed-latency")) {
      const rows = await measureFeedLatency(sandbox, command, rounds);
      take([resultOf("feed-latency", "From an append's answer to its event in a feed", "ms", rows)]);
    }
    if (wanted("append-feeds")) {
      const rows = await measureAppendsWithFeeds(sandbox, command, rounds, roundMs);
      take([
        resultOf("append-feeds", "Appends of one event, 64 connections, beside feeds", "events/s", rows),
      ]);
    }
    if (wanted("append-key")) {
      const { throughput, cpu } = await measureKeys(sandbox, command, { rounds, roundMs });
      const title = "Appends of one event with a key, 64 connections";
      take([
        resultOf("append-key", title, "events/s", throughput),
        resultOf("append-key-cpu", `${title}: CPU time of the server for each`, "µs", cpu),
      ]);
    }
    if (wanted("deliveries")) {
      const rows = await measureDeliveries(sandbox, command, rounds);
      take([resultOf("deliveries", "Webhooks: a backlog delivered, 64 in flight", "events/s", rows)]);
    }
    if (wanted("delivery-latency")) {
      const rows = await measureDeliveryLatency(sandbox, command, rounds);
      const title = "Webhooks: from append to received, 1,000 events/s on 10,000 subjects";
      take([resultOf("delivery-latency", title, "ms", rows)]);
    }
    if (wanted("worker")) {
      const rows = await measureWorker(sandbox, command, rounds);
      take([resultOf("worker", "One request at a time, on a libSQL server: median", "ms", rows)]);
    }
    if (wanted("commands")) {
      const rows = await measureCommands(sandbox, command, rounds, roundMs);
      take([resultOf("commands", "Commands of one event, 64 in flight, one process", "events/s", rows)]);
    }
    if (wanted("consume")) {
      const rows = await measureConsuming(sandbox, command, rounds);
      take([resultOf("consume", "Events handled into libSQL, with cursors", "events/s", rows)]);
    }
    if (wanted("ensure")) {
      const rows = await measureEnsure(sandbox, command, rounds);
      take([resultOf("ensure", "One subject of a feed asked for", "ms", rows)]);
    }
    if (wanted("reconstitute")) {
      const rows = await measureReconstitution(sandbox, command);
      const title = `${RECONSTITUTED.toLocaleString("en")} subjects compared, none lacking`;
      take([resultOf("reconstitute", title, "subjects/s", rows)]);
    }
    if (wanted("nodes")) {
      const rows = await measureNodes(sandbox, command, { rounds, roundMs });
      take([
        resultOf(
          "nodes",
          `Appends of one event on a libSQL server, ${CONNECTIONS} connections`,
          "events/s",
          rows,
        ),
      ]);
    }
    if (wanted("takeover")) {
      const rows = await measureTakeover(sandbox, command, rounds);
      take([resultOf("takeover", "Another node takes over for one that was killed", "ms", rows)]);
    }
    if (wanted("scale")) take(await runScale(sandbox, options));
    if (wanted("start")) take(await runStart(sandbox, options));
    return { machine, rounds: options.rounds, roundSeconds: options.roundMs / 1_000, works: results };
  } finally {
    await sandbox.close();
  }
}
