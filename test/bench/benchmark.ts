import { tmpdir } from "node:os";

import { type Contender, NotInstalled, type Start } from "./contender.ts";
import type { BenchmarkOptions } from "./course.ts";
import { COURSES } from "./courses.ts";
import { EVENTS_PER_SECOND, measureFollowers } from "./followers.ts";
import { startKilde } from "./kilde.ts";
import { describeMachine } from "./machine.ts";
import { type Entry, measure } from "./measure.ts";
import { startLibsql } from "./peers/libsql.ts";
import { startMessageDb } from "./peers/message-db.ts";
import { startNats } from "./peers/nats.ts";
import { startRedis } from "./peers/redis.ts";
import { startUmadb } from "./peers/umadb.ts";
import type { Machine, Results, WorkResult } from "./results.ts";
import { openSandbox, type Sandbox } from "./sandbox.ts";
import { machineLines } from "./table.ts";
import { hasTargets } from "./targets.ts";
import { resultOf } from "./work-result.ts";
import { FOLLOWERS, TIMED_WORKS, type TimedWork } from "./works.ts";

const PEERS: Readonly<Record<string, Start>> = {
  "NATS JetStream": startNats,
  "Redis streams": startRedis,
  UmaDB: startUmadb,
  "message-db": startMessageDb,
};

/** Rounds of the works that have no target. */
const UNTARGETED_ROUNDS = 3;

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
      missing[name] = error.message;
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

async function runFollowers(field: Field, options: BenchmarkOptions): Promise<readonly WorkResult[]> {
  const { followers, rounds, roundMs } = options;
  const { latency, memory } = await measureFollowers(field.contenders, followers, rounds, roundMs);
  const title = `${followers} followers, ${EVENTS_PER_SECOND} events/s: from append to each follower, median`;
  return [
    resultOf("followers", title, "ms", latency),
    resultOf("follower-memory", "Server memory for each follower", "KB", memory),
  ];
}

function roundsOf(work: string, { rounds }: BenchmarkOptions): number {
  return hasTargets(work) ? rounds : Math.min(rounds, UNTARGETED_ROUNDS);
}

/** Runs the wanted works, one after the other, each on stores of its own or on those of its kind. */
async function runWorks(
  sandbox: Sandbox,
  options: BenchmarkOptions,
  take: (found: readonly WorkResult[]) => void,
  fail: (work: string, error: unknown) => void,
): Promise<void> {
  const wanted = (name: string) => options.works.includes(name);
  /** A work that fails does not cost the results of the others. */
  const attempt = async (name: string, run: () => Promise<readonly WorkResult[]>) => {
    try {
      take(await run());
    } catch (error) {
      fail(name, error);
    }
  };
  const planned = (name: string) => ({ ...options, rounds: roundsOf(name, options) });
  for (const reads of [false, true]) {
    const works = TIMED_WORKS.filter((work) => work.reads === reads && wanted(work.name));
    if (works.length === 0) continue;
    await withAll(sandbox, options, async (field) => {
      if (reads) for (const contender of field.contenders) await contender.fill?.();
      for (const work of works) {
        await attempt(work.name, async () => [await runTimed(work, field, planned(work.name))]);
      }
    });
  }
  if (wanted(FOLLOWERS)) {
    await attempt(FOLLOWERS, () =>
      withAll(sandbox, options, (field) => runFollowers(field, planned(FOLLOWERS))),
    );
  }
  for (const { name, measure: measureCourse } of COURSES) {
    if (wanted(name)) await attempt(name, () => measureCourse(sandbox, planned(name)));
  }
}

async function machineOf(sandbox: Sandbox, options: BenchmarkOptions): Promise<Machine> {
  return withAll(sandbox, options, async ({ contenders, missing }) => {
    const versions = contenders.map(({ name, version, settings }) => [name, `${version}; ${settings}`]);
    return describeMachine(tmpdir(), Object.fromEntries(versions), missing);
  });
}

export interface BenchmarkRun {
  readonly results: Results;
  /** Works that could not be done, with their errors. */
  readonly failures: readonly string[];
}

/** Runs the works that are asked for. All servers and files are gone when it ends. */
export async function runBenchmark(options: BenchmarkOptions): Promise<BenchmarkRun> {
  const sandbox = openSandbox();
  const works: WorkResult[] = [];
  const failures: string[] = [];
  const started = performance.now();
  const minutes = () => (performance.now() - started) / 60_000;
  try {
    const machine = await machineOf(sandbox, options);
    const { rounds, roundMs, print } = options;
    print(machineLines(machine));
    print(
      `${rounds} rounds of ${roundMs} ms (${Math.min(rounds, UNTARGETED_ROUNDS)} without a target), in turn; medians, ratios within rounds`,
    );
    const take = (found: readonly WorkResult[]) => {
      works.push(...found);
      found.forEach(options.onResult);
      print(`  after ${minutes().toFixed(1)} minutes`);
    };
    await runWorks(sandbox, options, take, (work, error) => {
      const failure = `${work}: ${error instanceof Error ? error.message : String(error)}`;
      failures.push(failure);
      print(`FAILED ${failure}`);
    });
    return { results: { machine, rounds, roundSeconds: roundMs / 1_000, works }, failures };
  } finally {
    await sandbox.close();
  }
}
