import { KildeError } from "../../core/errors.ts";
import type { AppendReceipt } from "../../core/event.ts";
import type { CommittedGroup } from "./group-commit.ts";
import type { AppendOutcome, Plan, Transaction } from "./plan.ts";
import { dequeueWithin } from "../../core/dequeue.ts";

/** Most events one commit takes; what waits beyond it goes into the next. */
const GROUP_EVENTS = 2_000;

/** So many events take about as long to answer as a commit of their own costs: fewer are not worth one. */
const FEW_EVENTS = 20;

/** Who has waited this long for a libSQL server is told that the outcome is unknown. */
export const WRITE_DEADLINE_MS = 10_000;

/** Somebody who waits for what a write comes to. */
export interface Caller {
  /** When it was asked for, by the monotonic clock. */
  readonly since: number;
  readonly reject: (error: KildeError) => void;
  /** It has been told that the outcome is unknown: what is not written yet is not begun any more. */
  expired: boolean;
}

/** An append whose caller waits for its outcome. */
export interface PendingAppend extends Caller {
  readonly transaction: Transaction;
  readonly resolve: (outcome: AppendOutcome) => void;
}

function eventsOf({ transaction }: PendingAppend): number {
  let events = 0;
  for (const part of transaction.parts) events += part.events.length;
  return events;
}

/** Takes the appends that the next commit shares out of the queue. */
export function nextGroup(queue: PendingAppend[]): PendingAppend[] {
  return dequeueWithin(queue, GROUP_EVENTS, eventsOf);
}

/**
 * Takes no more than half of what is under way and waits, or few, for a thread that writes: while it commits one half,
 * this thread answers the other and reads what its callers ask for next. Were all in one group, each thread would wait
 * for the other, and go on to do so, since all who are answered together ask again together.
 */
export function nextHalfGroup(queue: PendingAppend[], underWay: readonly PendingAppend[]): PendingAppend[] {
  let events = 0;
  for (const waiting of underWay) events += eventsOf(waiting);
  for (const waiting of queue) events += eventsOf(waiting);
  const half = Math.max(Math.ceil(events / 2), FEW_EVENTS);
  return dequeueWithin(queue, Math.min(half, GROUP_EVENTS), eventsOf);
}

/** Tells each caller its outcome; positions of the plan count from `base`. */
export function settle(
  group: readonly PendingAppend[],
  plan: Plan,
  { base, log }: Pick<CommittedGroup, "base" | "log">,
): void {
  const placed = (results: readonly AppendReceipt[]): AppendReceipt[] =>
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
        return { outcome: "appended", results: placed(decision.results), replayed: false, log };
      case "replay":
        return { outcome: "appended", results: decision.answer.results, replayed: true, log };
      case "same-as": {
        const first = outcomeOf(decision.index);
        return first.outcome === "appended" ? { ...first, replayed: true } : first;
      }
      case "refuse":
        return { ...decision.refusal, log };
      case undefined:
        throw new Error(`transaction ${index} of the group was not decided`);
    }
  };
  for (const [index, waiting] of group.entries()) waiting.resolve(outcomeOf(index));
}

export function isWaiting({ expired }: Caller): boolean {
  return !expired;
}

export function transactionsOf(group: readonly PendingAppend[]): Transaction[] {
  return group.map(({ transaction }) => transaction);
}

/** Tells those who have waited since a time, or longer, that their deadline has passed. */
export function expire(callers: readonly Caller[], since: number): void {
  for (const caller of callers) {
    if (caller.since > since || caller.expired) continue;
    caller.expired = true;
    const detail = `The database did not answer in ${WRITE_DEADLINE_MS} ms`;
    caller.reject(new KildeError("storage-unavailable", detail));
  }
}
