import type { Contender, Task } from "./contender.ts";
import { cpuSecondsOf, machineCpuSeconds } from "./cpu.ts";
import type { Round, Row } from "./results.ts";
import { median, quantile } from "./sample.ts";

/** Until just-in-time compilers, caches and connections are warm. */
const WARM_UP_MS = 1_500;

export interface Plan {
  readonly rounds: number;
  readonly roundMs: number;
}

/** One of those that do the same work side by side. */
export interface Entry {
  readonly contender: Contender;
  readonly task: Task;
}

interface CpuTimes {
  readonly server: number | null;
  readonly client: number;
  readonly machine: number | null;
}

/** CPU seconds of all these processes; null where one cannot be measured. */
function cpuSecondsOfAll(pids: readonly number[]): number | null {
  const seconds = pids.map(cpuSecondsOf).filter((each) => each !== null);
  return seconds.length < pids.length ? null : seconds.reduce((sum, each) => sum + each, 0);
}

function cpuTimes({ contender: { pid, besides = [] }, task: { clientPid } }: Entry): CpuTimes {
  const { user, system } = process.cpuUsage();
  return {
    server: pid === null ? null : cpuSecondsOfAll([pid, ...besides]),
    client: (user + system) / 1e6 + (clientPid === undefined ? 0 : (cpuSecondsOf(clientPid) ?? 0)),
    machine: machineCpuSeconds(),
  };
}

function coresUsed(before: CpuTimes, after: CpuTimes, seconds: number) {
  const between = (from: number | null, to: number | null) =>
    from === null || to === null ? null : (to - from) / seconds;
  const serverCores = between(before.server, after.server);
  const clientCores = (after.client - before.client) / seconds;
  const machineCores = between(before.machine, after.machine);
  const otherCores = machineCores === null ? null : machineCores - clientCores - (serverCores ?? 0);
  return { serverCores, clientCores, otherCores };
}

/** Runs a task and proves it: the store has grown by exactly the number of acknowledged events. */
async function runProven(entry: Entry, durationMs: number): Promise<Round> {
  const { task } = entry;
  const storedBefore = (await task.stored?.()) ?? 0;
  const before = cpuTimes(entry);
  const sample = await task.run(durationMs);
  const after = cpuTimes(entry);
  const grown = task.stored === undefined ? sample.events : (await task.stored()) - storedBefore;
  if (grown !== sample.events) {
    throw new Error(`${sample.events} events were acknowledged, but the store grew by ${grown}`);
  }
  return {
    value: sample.events / sample.seconds,
    p50Ms: quantile(sample.latenciesMs, 0.5),
    p99Ms: quantile(sample.latenciesMs, 0.99),
    ...coresUsed(before, after, sample.seconds),
  };
}

async function runOnce(entry: Entry, durationMs: number): Promise<Round> {
  try {
    return await runProven(entry, durationMs);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(`${entry.contender.name}: ${message}`, { cause: error });
  }
}

export function medianOf(rounds: readonly Round[], field: keyof Round): number | null {
  const values = rounds.map((round) => round[field]).filter((value) => value !== null);
  return values.length === 0 ? null : median(values);
}

/** The median of the ratios within each round. */
export function pairedRatio(
  ours: readonly Pick<Round, "value">[],
  theirs: readonly Pick<Round, "value">[],
): number {
  return median(ours.map((round, index) => round.value / (theirs[index]?.value ?? Number.NaN)));
}

export function medianRow(
  labels: Pick<Row, "contender" | "way" | "settings">,
  rounds: readonly Round[],
  ours: readonly Round[],
): Row {
  return {
    ...labels,
    rounds,
    value: medianOf(rounds, "value") ?? Number.NaN,
    p50Ms: medianOf(rounds, "p50Ms"),
    p99Ms: medianOf(rounds, "p99Ms"),
    serverCores: medianOf(rounds, "serverCores"),
    clientCores: medianOf(rounds, "clientCores"),
    otherCores: medianOf(rounds, "otherCores"),
    ratio: pairedRatio(ours, rounds),
  };
}

/**
 * Runs the entries in turn, round after round, beginning with another one each time: other work of the
 * machine then slows them alike, and ratios are taken within a round. The others are compared with the first entry.
 */
export async function measure(entries: readonly Entry[], plan: Plan): Promise<Row[]> {
  const rounds = entries.map((): Round[] => []);
  for (const entry of entries) await runOnce(entry, Math.max(plan.roundMs, WARM_UP_MS));
  for (let round = 0; round < plan.rounds; round += 1) {
    for (let turn = 0; turn < entries.length; turn += 1) {
      const index = (round + turn) % entries.length;
      const entry = entries[index];
      if (entry === undefined) continue;
      // The next one's fsync would otherwise write back the pages that the one before left.
      Bun.spawnSync(["sync"]);
      Bun.gc(true);
      rounds[index]?.push(await runOnce(entry, plan.roundMs));
    }
  }
  return entries.map(({ contender, task }, index) => {
    const { name, settings } = contender;
    return medianRow(
      { contender: name, way: task.way ?? null, settings },
      rounds[index] ?? [],
      rounds[0] ?? [],
    );
  });
}
