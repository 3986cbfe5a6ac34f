import type { Clock } from "../../core/clock.ts";
import { KildeError } from "../../core/errors.ts";
import type { Limits } from "../../core/limits.ts";
import type { AppendMeasures } from "./append-measures.ts";
import { outrunError, storageError, storageFailure } from "../../storage/failures.ts";
import type { Flight } from "./flight.ts";
import { commitPlan, forgetPlanned, type GroupDeps, planBehind, preparePlan } from "./group-commit.ts";
import { keyExpiry } from "../key-expiry.ts";
import type { LogState } from "../log-state.ts";
import type { AppendOutcome, Plan, Transaction } from "./plan.ts";
import { createStreamCache, type OnReleaseFailure } from "./stream-cache.ts";
import {
  type Caller,
  expireUntil,
  isWaiting,
  rejectFailed,
  settle,
  nextGroup,
  nextHalfGroup,
  transactionsOf,
  type PendingAppend,
} from "./pending-appends.ts";

/** Attempts for a group while another process is faster, before its appends fail. */
const COMMIT_ATTEMPTS = 50;

/** Pause before a retry when a libSQL server was busy: it answers at once; an embedded database has waited for the lock. */
const BUSY_PAUSE_MS = 10;

/** After so many groups of one, a client is taken to be the only one: a second would have shown by then. */
const ALONE_GROUPS = 16;

export interface CommitQueue {
  /** Appends a transaction, together with all others that wait. Throws a KildeError when storage fails. */
  append(transaction: Transaction): Promise<AppendOutcome>;
  /**
   * Appends the transactions of one request, in their order; each succeeds or is refused for itself. If storage fails for
   * one, those after it fail as well.
   */
  appendAll(transactions: readonly Transaction[]): Promise<PromiseSettledResult<AppendOutcome>[]>;
  /** Runs another write between two commits, so that one is in flight at a time. */
  exclusively<Result>(write: () => Promise<Result>): Promise<Result>;
  /** Refuses new appends, and resolves when those accepted are committed. */
  close(): Promise<void>;
}

export interface CommitQueueDeps extends Pick<GroupDeps, "database" | "log" | "recordRemovals"> {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly measures: AppendMeasures;
  /** Receives the state of the log after each commit, before the appends are answered. */
  readonly onCommit: (log: LogState) => void;
  readonly onReleaseFailure: OnReleaseFailure | undefined;
}

/** Another write, between two commits. */
interface Job extends Caller {
  readonly begin: () => Promise<void>;
}

/**
 * The only writer of a log in this process. Group commit: appends that arrive while a commit is under way share the
 * next one, so no caller waits on a timer, and one write batch is in flight (a libSQL server wedges under many).
 *
 * A database that runs writes on another thread is given the next group while it works on the one before, so that it
 * need not wait for this thread: planned on what the one before will have made, and void if that fails. While there is
 * one client, with an append at a time, there is nothing to share or to send ahead: such groups go by `writeAlone`.
 */
export function createCommitQueue(queueDeps: CommitQueueDeps): CommitQueue {
  const { database, log, clock, limits, measures, recordRemovals, onCommit, onReleaseFailure } = queueDeps;
  const streams = createStreamCache(database, clock, onReleaseFailure);
  const { cache } = streams;
  const known = { identity: null, groupsToRead: 0 };
  const forgetting = { keys: 0, lastMs: 0 };
  const deps: GroupDeps = { database, log, cache, known, forgetting, recordRemovals };
  const { writeAlone } = database;
  const unshared: GroupDeps | null =
    writeAlone === undefined ? null : { ...deps, database: { ...database, write: writeAlone } };
  const forgetBefore = keyExpiry(clock, limits.idempotencySeconds);
  let queue: PendingAppend[] = [];
  let jobs: Job[] = [];
  let running: Promise<void> | null = null;
  let closed = false;
  /** Consecutive groups of one during which no other append arrived. */
  let alone = 0;
  /** How a group is written while one client is taken to be the only one; null otherwise. */
  const depsOfOne = () => (alone > ALONE_GROUPS ? unshared : null);
  /** Called by the append that makes the queue this long. */
  let awaited: { readonly length: number; readonly reached: () => void } | null = null;

  const launch = (group: readonly PendingAppend[], plan: Plan, through = deps): Flight => {
    const times = { nowMs: clock.now(), forgetBeforeMs: forgetBefore() };
    const begun = clock.monotonic();
    const written = commitPlan(through, transactionsOf(group), plan, times);
    // The next plan builds on this one. Ids of new subjects are not known yet.
    for (const [name, state] of plan.after) {
      if (state.id === null) cache.delete(name);
      else cache.set(name, state);
    }
    const done = written
      .then((committed) => {
        for (const [name, id] of committed.ids) {
          const state = plan.after.get(name);
          const before = committed.versionsBefore.get(name) ?? 0;
          if (state !== undefined) cache.set(name, { ...state, id, version: before + state.version });
        }
        streams.record(plan.events.length);
        measures.committed(plan.events.length, (clock.monotonic() - begun) / 1_000);
        const answer = () => {
          onCommit(committed.log);
          settle(group, plan, committed);
          measures.decided(plan.decisions);
        };
        return { answer };
      })
      .catch((error: unknown) => {
        forgetPlanned(deps, transactionsOf(group), plan, error);
        return { error };
      });
    return { group, done };
  };

  /** Plans those of a group who still wait. */
  const prepare = async (
    group: readonly PendingAppend[],
  ): Promise<Pick<Flight, "group"> & { plan: Plan }> => {
    const waiting = group.filter(isWaiting);
    const plan = await preparePlan(deps, transactionsOf(waiting));
    return waiting.every(isWaiting) ? { group: waiting, plan } : prepare(waiting);
  };

  /** Waits for a flight, and plans and writes its group again as long as another process was faster. */
  const land = async ({ group, done }: Flight): Promise<void> => {
    let outcome = await done;
    for (let attempt = 1; "error" in outcome; attempt += 1) {
      const failure = storageFailure(outcome.error);
      const busy = failure === "busy" && !database.embedded;
      if (failure !== "conflict" && !busy) throw storageError(outcome.error);
      if (attempt === COMMIT_ATTEMPTS) throw outrunError(COMMIT_ATTEMPTS, outcome.error);
      if (busy) await clock.sleep(BUSY_PAUSE_MS);
      const again = await prepare(group);
      outcome = await launch(again.group, again.plan).done;
    }
    outcome.answer();
  };

  const dropExpired = () => {
    queue = queue.filter(isWaiting);
    jobs = jobs.filter(isWaiting);
  };

  /** Settles the callers of a write. `behind`: those of a write that was sent behind it. */
  const supervised = async (
    work: Promise<void>,
    callers: readonly Caller[],
    behind: readonly Caller[] = [],
  ): Promise<void> => {
    const ended = work.catch((error: unknown) => {
      rejectFailed(callers, [...behind, ...queue], storageError(error));
      dropExpired();
    });
    if (database.embedded) return ended;
    const done = new AbortController();
    const expiring = expireUntil(done.signal, clock, () => [callers, queue, jobs], dropExpired);
    await ended;
    done.abort();
    await expiring;
  };

  /**
   * Resolves when a flight is done, or when as much waits as it carries: smaller groups would share a commit among
   * fewer.
   */
  const doneOrMatched = ({ group, done }: Flight): Promise<unknown> => {
    if (queue.length >= group.length) return Promise.resolve();
    const matched = new Promise<void>((reached) => {
      awaited = { length: group.length, reached };
    });
    return Promise.race([done, matched]);
  };

  /** Sends the group that waits behind a flight, if its plan reads nothing that the flight may change. */
  const launchBehind = async (flight: Flight): Promise<Flight | null> => {
    const group = nextHalfGroup(queue, flight.group);
    if (group.length === 0) return null;
    // If a read fails here, the group waits for the flight to land and is planned again: a read that fails then is answered.
    const plan = await planBehind(deps, transactionsOf(group), transactionsOf(flight.group)).catch(
      () => null,
    );
    alone = 0;
    if (plan !== null) return launch(group, plan);
    queue = [...group, ...queue];
    return null;
  };

  /**
   * Commits a group, and on a database that is ordered those behind it, each sent while the one before is under way,
   * until nothing more can be sent that way.
   */
  const commit = async (group: readonly PendingAppend[]): Promise<void> => {
    const prepared = prepare(group);
    if (!database.ordered) {
      return supervised(
        prepared.then(({ group: waiting, plan }) => land(launch(waiting, plan))),
        group,
      );
    }
    let flight: Flight | null = null;
    await supervised(
      prepared.then(({ group: waiting, plan }) => {
        flight = launch(waiting, plan, depsOfOne() ?? deps);
      }),
      group,
    );
    while (flight !== null) flight = await landAndFollow(flight);
  };

  /** Sends the next group before it answers callers, because answering takes this thread longer than sending. */
  const landAndFollow = async (flight: Flight): Promise<Flight | null> => {
    await doneOrMatched(flight);
    const behind = jobs.length > 0 ? null : await launchBehind(flight);
    const failed = "error" in (await flight.done);
    // A group that was sent behind a failed flight is void; waiting for it keeps later plans from building on it.
    if (failed) await behind?.done;
    await supervised(land(flight), flight.group, behind?.group);
    if (!failed || behind === null) return behind;
    await supervised(land(behind), behind.group);
    return null;
  };

  const run = async (): Promise<void> => {
    // Requests that were read from their sockets in the same turn share the first commit, unless none is expected.
    if (depsOfOne() === null) await clock.yield();
    while (queue.length > 0 || jobs.length > 0) {
      const job = jobs.shift();
      if (job !== undefined) await supervised(job.begin(), [job]);
      const group = database.ordered ? nextHalfGroup(queue, []) : nextGroup(queue);
      if (group.length === 0) continue;
      alone = group.length === 1 ? alone + 1 : 0;
      await commit(group);
      if (database.embedded) await clock.yield();
      if (queue.length > 0) alone = 0;
    }
  };

  const wake = () => {
    if (awaited !== null && queue.length >= awaited.length) {
      awaited.reached();
      awaited = null;
    }
    running ??= run().finally(() => {
      running = null;
      if (queue.length > 0 || jobs.length > 0) wake();
    });
  };

  const enqueue = (
    transaction: Transaction,
    request: object | null,
    since = clock.monotonic(),
  ): Promise<AppendOutcome> => {
    return new Promise((resolve, rejectCaller) => {
      const reject = measures.failing(rejectCaller);
      if (closed) return reject(new KildeError("shutting-down", "The server takes no more appends"));
      if (queue.length >= limits.waitingAppends) {
        const detail = `${queue.length} appends are waiting for a commit`;
        return reject(new KildeError("overloaded", detail, { limit: "waitingAppends" }));
      }
      queue.push({ transaction, request, since, resolve, reject, expired: false });
      wake();
    });
  };

  return {
    append: (transaction) => enqueue(transaction, null),
    appendAll(transactions) {
      const request = {};
      // Their deadline passes at the same time, so that none is committed after one that is given up.
      const since = clock.monotonic();
      return Promise.allSettled(transactions.map((transaction) => enqueue(transaction, request, since)));
    },
    exclusively(write) {
      return new Promise((resolve, reject) => {
        const begin = async () => resolve(await write());
        jobs.push({ since: clock.monotonic(), request: null, begin, reject, expired: false });
        wake();
      });
    },
    async close() {
      closed = true;
      while (running !== null) await running;
      await streams.close();
    },
  };
}
