import type { DeliveryMode } from "../../../src/webhooks/subscriptions/subscription.ts";

/** How an endpoint answers what it never takes. */
export type Poison = 400 | 429 | 500 | 502 | 503 | 504 | "timeout" | "connection";

export interface SimulationOptions {
  readonly seed: number;
  readonly mode: DeliveryMode;
  readonly subjects: number;
  readonly events: number;
  readonly nodes: number;
  /** Nodes crash, are paused, and lose writes. */
  readonly crashes: boolean;
  /** Answers are lost, so that the sender cannot know that something was taken. */
  readonly lostAnswers: boolean;
  /** The endpoint fails, is slow, and is down for a while. */
  readonly failures: boolean;
  /** Subjects that are never taken. */
  readonly poisoned: number;
  /** What these are answered. */
  readonly poison: readonly Poison[];
  /** Writes of nodes take up to so long, in ms; and every tenth one fails, before or after it was stored. */
  readonly slowWritesMs: number;
  /** Somebody pauses, resumes, rewinds, retries and skips; with failures, the endpoint also answers 410 at times. */
  readonly changes: boolean;
  /** Somebody changes the mode, the filter, the URL, the concurrency and the description, and rotates the secret. */
  readonly patches: boolean;
  /** Nodes end as on SIGTERM, with requests and writes under way, and start again. */
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
  /** Empty when everything held. */
  readonly faults: readonly string[];
  /** How long the events of subjects that are taken waited at most, in ms. */
  readonly longestWaitMs: number;
  /** The same for events of subjects of which no attempt failed, once everything works. */
  readonly longestCalmWaitMs: number;
}
