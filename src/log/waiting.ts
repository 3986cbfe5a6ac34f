import type { KildeError } from "../core/errors.ts";
import type { Appended } from "../core/event.ts";
import type { AppendOutcome, Plan, Transaction } from "./plan.ts";
import { takeWithin } from "./take.ts";

/** Most events one commit takes; what waits beyond it goes into the next. */
const GROUP_EVENTS = 2_000;

/** Somebody who waits for what a write comes to. */
export interface Caller {
  /** When it was asked for, in milliseconds since 1970. */
  readonly since: number;
  readonly reject: (error: KildeError) => void;
  /** It has been told that the outcome is unknown: what is not written yet is not begun any more. */
  expired: boolean;
}

/** An append whose caller waits for its outcome. */
export interface Waiting extends Caller {
  readonly transaction: Transaction;
  readonly resolve: (outcome: AppendOutcome) => void;
}

function eventsOf({ transaction }: Waiting): number {
  let events = 0;
  for (const part of transaction.parts) events += part.events.length;
  return events;
}

/** Takes the appends that the next commit shares out of the queue. */
export function takeGroup(queue: Waiting[]): Waiting[] {
  return takeWithin(queue, GROUP_EVENTS, eventsOf);
}

/** Tells each caller its outcome; positions of the plan count from `base`. */
export function settle(group: readonly Waiting[], plan: Plan, base: number): void {
  const placed = (results: readonly Appended[]): Appended[] =>
    results.map(({ subject, version, position, count }) => ({
      subject,
      version,
      position: base + position,
      count,
    }));

  const outcomeOf = (index: number): AppendOutcome => {
    const decision = plan.decisions[index];
    switch (decision?.kind) {
      case "append":
        return { outcome: "appended", results: placed(decision.results), replayed: false };
      case "replay":
        return { outcome: "appended", results: decision.answer.results, replayed: true };
      case "same-as": {
        const first = outcomeOf(decision.index);
        return first.outcome === "appended" ? { ...first, replayed: true } : first;
      }
      case "refuse":
        return decision.refusal;
      case undefined:
        throw new Error(`transaction ${index} of the group was not decided`);
    }
  };
  for (const [index, waiting] of group.entries()) waiting.resolve(outcomeOf(index));
}

export function isWaiting({ expired }: Caller): boolean {
  return !expired;
}

export function transactionsOf(group: readonly Waiting[]): Transaction[] {
  return group.map(({ transaction }) => transaction);
}
