import type { WorkResult } from "./results.ts";
import type { Sandbox } from "./sandbox.ts";

/** The settings of a run. */
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
  /** Rounds of the works that have a target. */
  readonly rounds: number;
  readonly roundMs: number;
  readonly followers: number;
  /** Lines that are imported in each round. */
  readonly importLines: number;
  readonly onResult: (work: WorkResult) => void;
  readonly print: (text: string) => void;
}

/** A work with a course of its own, on servers that it starts. */
export interface Course {
  readonly name: string;
  /** Only done when it is asked for: it takes minutes, gigabytes, or many processes. */
  readonly onDemand?: true;
  measure(sandbox: Sandbox, options: BenchmarkOptions): Promise<readonly WorkResult[]>;
}
