import type { DeliveryMode } from "../../../src/webhooks/subscriptions/subscription.ts";

/** The answer to subjects that an endpoint never acknowledges. */
export type Poison = 400 | 429 | 500 | 502 | 503 | 504 | "timeout" | "connection";

export interface SimulationOptions {
  readonly seed: number;
  readonly mode: DeliveryMode;
  readonly subjects: number;
  readonly events: number;
  readonly nodes: number;
  /** Nodes crash, are paused, and lose writes. */
  readonly crashes: boolean;
  /** Answers are lost, so that the sender cannot know that a delivery arrived. */
  readonly lostAnswers: boolean;
  /** The endpoint fails, is slow, and is down for a while. */
  readonly failures: boolean;
  /** Number of subjects that are never acknowledged. */
  readonly poisoned: number;
  /** The answers to these subjects. */
  readonly poison: readonly Poison[];
  /** Longest write of a node, in ms; every tenth one fails, before or after it was stored. */
  readonly slowWritesMs: number;
  /**
   * An administrator pauses, resumes, rewinds, retries and skips; with failures, the endpoint also answers 410 at
   * times.
   */
  readonly changes: boolean;
  /**
   * An administrator changes the mode, the filter, the URL, the concurrency and the description, and rotates the
   * secret.
   */
  readonly patches: boolean;
  /** Nodes end as on SIGTERM, with requests and writes in flight, and start again. */
  readonly restarts: boolean;
  /** Nodes that deliver in slices, as workers do; `some`: every other one. */
  readonly slices: "none" | "some" | "all";
  /** Only every other type is selected. */
  readonly filtered: boolean;
  /** The wall clocks of nodes and of the database are corrected by hours, in both directions. */
  readonly clockSteps: boolean;
}

export interface SimulationResult {
  readonly requests: number;
  readonly taken: number;
  readonly duplicates: number;
  /** Violations; empty when there are none. */
  readonly faults: readonly string[];
  /** Longest wait of an event whose subject is acknowledged, in ms. */
  readonly longestWaitMs: number;
  /** The same for events of subjects of which no attempt failed, once everything works. */
  readonly longestCalmWaitMs: number;
}
