import { quantile } from "./sample.ts";

/** The results of the benchmark, which `--json` writes, the table prints and the chart draws. */
export interface Results {
  readonly machine: Machine;
  readonly rounds: number;
  readonly roundSeconds: number;
  readonly works: readonly WorkResult[];
}

export interface Machine {
  readonly cores: number;
  readonly cpu: string;
  readonly memoryGb: number;
  readonly kernel: string;
  readonly fileSystem: string;
  readonly versions: Readonly<Record<string, string>>;
  /** Contenders that could not take part, and why. */
  readonly missing: Readonly<Record<string, string>>;
}

export interface WorkResult {
  readonly name: string;
  readonly title: string;
  /** The unit of the rows. */
  readonly unit: "events/s" | "subjects/s" | "ms" | "MB" | "KB" | "µs" | "times";
  readonly rows: readonly Row[];
  readonly verdicts: readonly Verdict[];
}

/** The other measurements of a round that only takes a time or a size. */
export const NOT_TAKEN = {
  p50Ms: null,
  p99Ms: null,
  serverCores: null,
  clientCores: null,
  otherCores: null,
} as const;

export interface Round {
  readonly value: number;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  /** Cores in use: by the server's processes, and by this one. */
  readonly serverCores: number | null;
  readonly clientCores: number | null;
  /** CPU time of neither: the kernel's own work, and programs that have no part in this. */
  readonly otherCores: number | null;
}

/** A round that only takes a time, a rate or a size. */
export function roundOf(value: number): Round {
  return { ...NOT_TAKEN, value };
}

/** A round of latencies, given in ascending order; its value is their median. */
export function latencyRound(ascendingMs: ArrayLike<number>): Round {
  const p50Ms = quantile(ascendingMs, 0.5);
  return { ...NOT_TAKEN, value: p50Ms, p50Ms, p99Ms: quantile(ascendingMs, 0.99) };
}

export interface Row {
  readonly contender: string;
  readonly way: string | null;
  readonly settings: string;
  readonly rounds: readonly Round[];
  /** Medians of the rounds. */
  readonly value: number;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly serverCores: number | null;
  readonly clientCores: number | null;
  readonly otherCores: number | null;
  /** Kilde's value over this one's: the median of the ratios within each round. */
  readonly ratio: number | null;
}

/** A number to reach, and the measured one; null when a row that it compares is missing. */
export interface Verdict {
  readonly text: string;
  readonly measured: number | null;
  readonly reached: boolean;
}
