import type { Clock } from "../core/clock.ts";
import { KildeError } from "../core/errors.ts";
import type { Appended } from "../core/event.ts";
import type { Limits } from "../core/limits.ts";
import type { Database } from "./database.ts";
import { storageError, storageFailure } from "./failures.ts";
import { commitPlan, type GroupDeps, preparePlan } from "./group.ts";
import type { LogAddress } from "./keys.ts";
import type { AppendOutcome, Plan, SubjectState, Transaction } from "./plan.ts";
import { createSubjectCache } from "./subject-cache.ts";

/** Most events one commit takes; what waits beyond it goes into the next. */
const GROUP_EVENTS = 2_000;

/** How often a group is tried because another process was faster, before its appends are given up. */
const COMMIT_ATTEMPTS = 50;

/**
 * How long to wait before a write is tried again that a libSQL server was too busy for, with nothing written. It
 * says so at once, while an embedded database has waited for the lock already.
 */
const BUSY_PAUSE_MS = 10;

/** After this long without an answer a write's outcome is unknown, and its callers are told so. */
const WRITE_DEADLINE_MS = 10_000;

function outrun(cause: unknown): KildeError {
  const detail = `Other processes that write the same streams were faster ${COMMIT_ATTEMPTS} times in a row`;
  return new KildeError("overloaded", detail, {}, { cause });
}

export interface CommitQueue {
  /** Appends a transaction, together with whatever else is waiting. Throws a KildeError when storage fails. */
  append(transaction: Transaction): Promise<AppendOutcome>;
  /** Runs another write between two commits, so that one is in flight at a time. */
  exclusively<Result>(write: () => Promise<Result>): Promise<Result>;
  /** Refuses new appends, and resolves when those accepted are committed. */
  close(): Promise<void>;
}

export interface CommitQueueDeps {
  readonly database: Database;
  readonly log: LogAddress;
  readonly clock: Clock;
  readonly limits: Limits;
  /** Told of the head after each commit, before the appends are answered. */
  readonly onCommit: (head: number) => void;
}

interface Waiting {
  readonly transaction: Transaction;
  readonly resolve: (outcome: AppendOutcome) => void;
  readonly reject: (error: KildeError) => void;
}

function takeGroup(queue: Waiting[]): Waiting[] {
  let count = 0;
  let events = 0;
  for (const { transaction } of queue) {
    for (const part of transaction.parts) events += part.events.length;
    if (count > 0 && events > GROUP_EVENTS) break;
    count += 1;
  }
  return queue.splice(0, count);
}

function settle(group: readonly Waiting[], plan: Plan, base: number): void {
  const placed = (results: readonly Appended[]): Appended[] =>
    results.map((result) => ({ ...result, position: base + result.position }));

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

/**
 * The one way to write a log from this process. Group commit: what arrives while a commit is under way shares the
 * next one, so nobody waits on a timer, and one write batch is in flight (a libSQL server wedges under many).
 */
export function createCommitQueue({ database, log, clock, limits, onCommit }: CommitQueueDeps): CommitQueue {
  const cache = createSubjectCache<SubjectState>();
  const deps: GroupDeps = { database, log, cache, idempotencyMs: limits.idempotencySeconds * 1_000 };
  const queue: Waiting[] = [];
  const jobs: (() => Promise<void>)[] = [];
  let running: Promise<void> | null = null;
  let closed = false;

  const forget = (group: readonly Waiting[]) => {
    for (const { transaction } of group) for (const part of transaction.parts) cache.delete(part.subject);
  };

  const commit = async (group: readonly Waiting[]): Promise<void> => {
    const transactions = group.map((waiting) => waiting.transaction);
    for (let attempt = 1; ; attempt += 1) {
      try {
        const plan = await preparePlan(deps, transactions);
        if (plan.events.length === 0) {
          settle(group, plan, 0);
          return;
        }
        const { base, head, ids } = await commitPlan(deps, transactions, plan, clock.now());
        for (const [name, state] of plan.after)
          cache.set(name, { ...state, id: state.id ?? ids.get(name) ?? null });
        onCommit(head);
        settle(group, plan, base);
        return;
      } catch (error) {
        forget(group);
        const failure = storageFailure(error);
        const busy = failure === "busy" && !database.embedded;
        if (failure !== "conflict" && !busy) throw storageError(error);
        if (attempt === COMMIT_ATTEMPTS) throw outrun(error);
        if (busy) await clock.sleep(BUSY_PAUSE_MS);
      }
    }
  };

  /** Tells the callers when the deadline passes; the write itself is awaited all the same. */
  const supervised = async (work: Promise<void>, fail: (error: KildeError) => void): Promise<void> => {
    if (database.embedded) return work.catch((error: unknown) => fail(storageError(error)));
    const settled = new AbortController();
    const overdue = clock.sleep(WRITE_DEADLINE_MS, settled.signal).then(() => {
      if (settled.signal.aborted) return;
      const late = new KildeError(
        "storage-unavailable",
        `The database did not answer in ${WRITE_DEADLINE_MS} ms`,
      );
      fail(late);
      for (const waiting of queue.splice(0)) waiting.reject(late);
    });
    await work.catch((error: unknown) => fail(storageError(error)));
    settled.abort();
    await overdue;
  };

  const run = async (): Promise<void> => {
    // Requests that were read from their sockets in the same turn share the first commit.
    await clock.yield();
    while (queue.length > 0 || jobs.length > 0) {
      await jobs.shift()?.();
      const group = takeGroup(queue);
      if (group.length === 0) continue;
      await supervised(commit(group), (error) => {
        for (const waiting of group) waiting.reject(error);
      });
      if (database.embedded) await clock.yield();
    }
  };

  const wake = () => {
    running ??= run().finally(() => {
      running = null;
      if (queue.length > 0 || jobs.length > 0) wake();
    });
  };

  return {
    append(transaction) {
      if (closed) {
        return Promise.reject(new KildeError("shutting-down", "The server takes no more appends"));
      }
      if (queue.length >= limits.waitingAppends) {
        const detail = `${queue.length} appends are waiting for a commit`;
        return Promise.reject(new KildeError("overloaded", detail, { limit: "waitingAppends" }));
      }
      return new Promise((resolve, reject) => {
        queue.push({ transaction, resolve, reject });
        wake();
      });
    },
    exclusively(write) {
      return new Promise((resolve, reject) => {
        jobs.push(() => supervised(write().then(resolve), reject));
        wake();
      });
    },
    async close() {
      closed = true;
      while (running !== null) await running;
    },
  };
}
