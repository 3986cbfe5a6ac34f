import type { KildeError } from "../../core/errors.ts";
import type { Counter, Measures } from "../../core/measures.ts";
import type { AppendOutcome, Decision } from "./plan.ts";

type Outcome = AppendOutcome["outcome"] | "replayed" | "failed";

const OUTCOMES: readonly Outcome[] = [
  "appended",
  "replayed",
  "version-conflict",
  "stream-erased",
  "log-restored",
  "idempotency-key-reused",
  "failed",
];

/** Counts appends and their commits. */
export interface AppendMeasures {
  /** A group of appends was stored. */
  committed(events: number, seconds: number): void;
  /** The callers of a group have their outcomes. */
  decided(decisions: readonly Decision[]): void;
  /** Counts an append that is not stored, or whose outcome is unknown, when its caller is rejected. */
  failing(reject: (error: KildeError) => void): (error: KildeError) => void;
}

export function createAppendMeasures(measures: Measures): AppendMeasures {
  const seconds = measures.histogram("commit_duration_seconds");
  const events = measures.histogram("commit_events");
  // All from the start: a rate of failures needs the zero before the first.
  const outcomes = Object.fromEntries(
    OUTCOMES.map((outcome) => [outcome, measures.counter("appends_total", { outcome })]),
  ) as Record<Outcome, Counter>;
  const outcomeOf = (decisions: readonly Decision[], decision: Decision): Outcome => {
    if (decision.kind === "append") return "appended";
    if (decision.kind === "replay") return "replayed";
    if (decision.kind === "refuse") return decision.refusal.outcome;
    const first = decisions[decision.index];
    return first?.kind === "refuse" ? first.refusal.outcome : "replayed";
  };
  return {
    committed(count, duration) {
      seconds.observe(duration);
      events.observe(count);
    },
    decided(decisions) {
      for (const decision of decisions) outcomes[outcomeOf(decisions, decision)].add(1);
    },
    failing: (reject) => (error) => {
      outcomes.failed.add(1);
      reject(error);
    },
  };
}
