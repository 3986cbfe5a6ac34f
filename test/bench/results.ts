/** What the benchmark found: what `--json` writes, the table prints and the chart draws. */
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
  /** What could not be compared with, and why. */
  readonly missing: Readonly<Record<string, string>>;
}

export interface WorkResult {
  readonly name: string;
  readonly title: string;
  /** What the rows are measured in. */
  readonly unit: "events/s" | "subjects/s" | "ms" | "MB" | "KB";
  readonly rows: readonly Row[];
  readonly verdicts: readonly Verdict[];
}

/** What a round that only takes a time or a size says of the rest. */
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
  /** What neither accounts for: the kernel's own work, and programs that have no part in this. */
  readonly otherCores: number | null;
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

/** A number to reach, and what was measured for it. */
export interface Verdict {
  readonly text: string;
  readonly measured: number;
  readonly reached: boolean;
}
