import type { Clock } from "../../core/clock.ts";
import { KildeError } from "../../core/errors.ts";
import type { AppendReceipt } from "../../core/event.ts";
import type { CommittedGroup } from "./group-commit.ts";
import type { AppendOutcome, Plan, Transaction } from "./plan.ts";
import { dequeueWithin } from "../../core/dequeue.ts";

/** Most events of one commit; further appends wait for the next. */
const GROUP_EVENTS = 2_000;

/** So many events take about as long to answer as a commit of their own costs: fewer are not worth one. */
const FEW_EVENTS = 20;

/** A caller that has waited this long for a libSQL server is answered that the outcome is unknown. */
const WRITE_DEADLINE_MS = 10_000;

/** A caller that waits for the outcome of a write. */
export interface Caller {
  /** When it was asked for, by the monotonic clock. */
  readonly since: number;
  /** Identifies the request of several appends, whose caller waits for all of them; null: it is of one write. */
  readonly request: object | null;
  readonly reject: (error: KildeError) => void;
  /** It was answered before its outcome was known: a write that has not begun is dropped. */
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
 * Takes at most half of the appends that are under way and waiting, or a few, for a thread that writes: while it commits
 * one half, this thread answers the other and reads the next requests of those callers. In one group, each thread would
 * keep waiting for the other, since callers that are answered together ask again together.
 */
export function nextHalfGroup(queue: PendingAppend[], underWay: readonly PendingAppend[]): PendingAppend[] {
  let events = 0;
  for (const waiting of underWay) events += eventsOf(waiting);
  for (const waiting of queue) events += eventsOf(waiting);
  const half = Math.max(Math.ceil(events / 2), FEW_EVENTS);
  const group = dequeueWithin(queue, Math.min(half, GROUP_EVENTS), eventsOf);
  return [...group, ...restOfRequest(queue, group)];
}

/** Takes further appends of the last request of a group: without them, its caller would be answered no earlier. */
function restOfRequest(queue: PendingAppend[], group: readonly PendingAppend[]): PendingAppend[] {
  const request = group.at(-1)?.request ?? null;
  if (request === null) return [];
  let weight = group.reduce((sum, pending) => sum + eventsOf(pending), 0);
  const end = queue.findIndex((pending) => {
    weight += eventsOf(pending);
    return pending.request !== request || weight > GROUP_EVENTS;
  });
  return queue.splice(0, end === -1 ? queue.length : end);
}

/** Answers each caller with its outcome; positions of the plan count from `base`. */
export function settle(
  group: readonly PendingAppend[],
  plan: Plan,
  { base, log, versionsBefore }: Pick<CommittedGroup, "base" | "log" | "versionsBefore">,
): void {
  const placed = (results: readonly AppendReceipt[]): AppendReceipt[] =>
    results.map(({ subject, version, position, count }) => ({
      subject,
      version: version + (versionsBefore.get(subject) ?? 0),
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

/**
 * Rejects callers whose write failed, and those after them in the same requests: their sender repeats the appends that
 * failed, which would then come after these. Each caller is rejected once.
 */
export function rejectFailed(callers: readonly Caller[], after: readonly Caller[], error: KildeError): void {
  const requests = new Set<object>();
  for (const { request, reject, expired } of callers) {
    if (!expired) reject(error);
    if (request !== null) requests.add(request);
  }
  for (const caller of after) {
    if (caller.request === null || caller.expired || !requests.has(caller.request)) continue;
    caller.expired = true;
    caller.reject(error);
  }
}

/** Answers callers that have waited since a time, or longer, that their deadline has passed. */
function expire(callers: readonly Caller[], since: number): void {
  for (const caller of callers) {
    if (caller.since > since || caller.expired) continue;
    caller.expired = true;
    const detail = `The database did not answer in ${WRITE_DEADLINE_MS} ms`;
    caller.reject(new KildeError("storage-unavailable", detail));
  }
}

/**
 * Answers each caller whose deadline passes until `done`, also those that wait behind a write. The write that is under
 * way is still awaited. Each list is in the order in which its writes were asked for.
 */
export async function expireUntil(
  done: AbortSignal,
  clock: Clock,
  waiting: () => readonly (readonly Caller[])[],
  onExpired: () => void,
): Promise<void> {
  while (!done.aborted) {
    const now = clock.monotonic();
    const first = waiting().flatMap((callers) => callers.find(isWaiting)?.since ?? []);
    const oldest = Math.min(now, ...first);
    await clock.sleep(oldest + WRITE_DEADLINE_MS - now, done);
    const since = clock.monotonic() - WRITE_DEADLINE_MS;
    if (done.aborted || oldest > since) continue;
    for (const callers of waiting()) expire(callers, since);
    onExpired();
  }
}
