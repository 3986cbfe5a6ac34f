import type { Clock } from "../../core/clock.ts";
import type { Limits } from "../../core/limits.ts";
import type { Measures } from "../../core/measures.ts";
import { createAppendMeasures } from "./append-measures.ts";
import { isAppendBeside } from "./append-beside.ts";
import { createCommitQueue } from "./commit-queue.ts";
import type { Database } from "../../storage/database.ts";
import { type BatchWriter, writeBatch } from "../../storage/batch-writer.ts";
import { erasure } from "../erase/erasures.ts";
import type { RecordRemovals } from "../erase/stream-removal.ts";
import { EVENT_LOG_ADDRESS } from "../keys.ts";
import type { LogState } from "../log-state.ts";
import type { AppendOutcome, Transaction } from "./plan.ts";
import type { OnReleaseFailure } from "./stream-cache.ts";
import type { SweepWriter } from "../erase/sweeper.ts";
import { type Truncation, truncateSubject } from "../erase/truncate.ts";

/** Writing the event log; and the one way to write anything from this thread. */
export interface LogWriter extends BatchWriter, SweepWriter {
  /** Appends a transaction, all or nothing. Throws a KildeError when storage fails. */
  append(transaction: Transaction): Promise<AppendOutcome>;
  /** Appends the transactions of one request, none of which erases, in their order; each succeeds or fails for itself. */
  appendAll(transactions: readonly Transaction[]): Promise<PromiseSettledResult<AppendOutcome>[]>;
  /**
   * Removes the events of a stream below a version, and leaves versions and positions as they are. Does nothing but fail
   * when the log no longer has the identity that this was decided on.
   */
  truncate(truncation: Truncation): Promise<void>;
  /** Resolves when a write has gone through to storage. */
  probe(): Promise<void>;
  /** Refuses new appends, and resolves when those accepted are committed. */
  close(): Promise<void>;
}

/** A writer's notice to the readers of its log, which would detect the change later without it. */
export type LogNotice = LogState | "truncated";

export interface LogWriterDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly measures: Measures;
  readonly onNotice: (notice: LogNotice) => void;
  /** Called when a write has truncated or erased events, for the sweep to delete. */
  readonly onSweep: () => void;
  readonly recordRemovals: RecordRemovals;
  /** Called after each write that may have appended to other logs beside its change. */
  readonly onBeside: () => void;
  /** Default: the process releases no memory when appends pause. */
  readonly onReleaseFailure?: OnReleaseFailure | undefined;
}

/** Opens the event log for writing, on a database whose schema is up to date. One for a process. */
export function openLogWriter(deps: LogWriterDeps): LogWriter {
  const { database, clock, limits, measures, onNotice, onSweep, recordRemovals, onBeside } = deps;
  const log = EVENT_LOG_ADDRESS;
  const shared = { database, log, clock, limits, recordRemovals };
  const queue = createCommitQueue({
    ...shared,
    measures: createAppendMeasures(measures),
    onCommit: onNotice,
    onReleaseFailure: deps.onReleaseFailure,
  });
  const erased = () => {
    onSweep();
    onBeside();
  };
  return {
    append(transaction) {
      const outcome = queue.append(transaction);
      return transaction.parts.some(({ erases }) => erases) ? outcome.finally(erased) : outcome;
    },
    appendAll: (transactions) => queue.appendAll(transactions),
    async truncate(truncation) {
      const now = new Date(clock.now()).toISOString();
      await queue.exclusively(() => truncateSubject(database, log, truncation, recordRemovals, now));
      onNotice("truncated");
      erased();
    },
    async eraseStreams(names, reason) {
      await Promise.all(names.map((name) => queue.append(erasure(name, reason, "exists"))));
      onNotice("truncated");
    },
    exclusively: (work) => queue.exclusively(work),
    async write(statements) {
      const written = await queue.exclusively(() => writeBatch(database, clock, statements));
      if (statements.some(isAppendBeside)) onBeside();
      return written;
    },
    sweep: onSweep,
    probe: () =>
      queue.exclusively(async () => {
        await database.write([{ sql: "update logs set head = head where id = ?", args: [log.id] }]);
      }),
    close: () => queue.close(),
  };
}
