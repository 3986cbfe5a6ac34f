import type { Clock } from "../../core/clock.ts";
import type { Limits } from "../../core/limits.ts";
import { createCommitQueue } from "./commit-queue.ts";
import type { Database } from "../../storage/database.ts";
import { type BatchWriter, writeBatch } from "../../storage/batch-writer.ts";
import { erasure } from "../erase/erasures.ts";
import { EVENT_LOG_ADDRESS } from "../keys.ts";
import type { LogState } from "../log-state.ts";
import type { AppendOutcome, Transaction } from "./plan.ts";
import { createSweeper, type SweepFailure } from "../erase/sweeper.ts";
import { truncateSubject } from "../erase/truncate.ts";

/** Writing the event log; and the one way to write anything from this thread. */
export interface LogWriter extends BatchWriter {
  /** Appends a transaction, all or nothing. Throws a KildeError when storage fails. */
  append(transaction: Transaction): Promise<AppendOutcome>;
  /**
   * Removes the events of a stream below a version, and leaves versions and positions as they are. Does nothing but fail
   * when the log no longer has the identity that this was decided on.
   */
  truncate(subject: string, before: number, identity: string): Promise<void>;
  /** Sweeps what another process has left undone since the last call; to be called every few seconds. */
  sweepLeft(): void;
  /** Why truncated and erased events are not removed from storage; null: the last attempt to do so succeeded. */
  sweepFailure(): SweepFailure | null;
  /** Resolves when a write has gone through to storage. */
  probe(): Promise<void>;
  /** Refuses new appends, and resolves when those accepted are committed. */
  close(): Promise<void>;
}

/** What a writer tells the readers of its log; they would find out by themselves, but later. */
export type LogNews = LogState | "truncated";

export interface LogWriterDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly onNews: (news: LogNews) => void;
  /**
   * Called when there is something to delete that was truncated, for whoever does it in a way of its own. Default:
   * this writer does, in the background, and begins with what was left before.
   */
  readonly onSweep?: () => void;
  /** Called each time that sweeping fails; it is tried again. Default: nothing. */
  readonly onSweepFailure?: (failure: SweepFailure, error: unknown) => void;
}

/** Opens the event log for writing, on a database whose schema is up to date. One for a process. */
export function openLogWriter({
  database,
  clock,
  limits,
  onNews,
  onSweep,
  onSweepFailure = () => {},
}: LogWriterDeps): LogWriter {
  const log = EVENT_LOG_ADDRESS;
  const queue = createCommitQueue({ database, log, clock, limits, onCommit: onNews });
  const sweeper = createSweeper({
    database,
    clock,
    between: (work) => queue.exclusively(work),
    async eraseStreams(names, reason) {
      await Promise.all(names.map((name) => queue.append(erasure(name, reason, "exists"))));
      onNews("truncated");
    },
    onFailure: onSweepFailure,
  });
  const sweep = onSweep ?? sweeper.sweep;
  if (onSweep === undefined) sweep();

  return {
    append(transaction) {
      const outcome = queue.append(transaction);
      return transaction.parts.some(({ erases }) => erases) ? outcome.finally(sweep) : outcome;
    },
    async truncate(subject, before, identity) {
      await queue.exclusively(() => truncateSubject(database, log, { subject, before, identity }));
      onNews("truncated");
      sweep();
    },
    write: (statements) => queue.exclusively(() => writeBatch(database, clock, statements)),
    sweep,
    sweepLeft: onSweep ?? sweeper.look,
    sweepFailure: sweeper.failure,
    probe: () =>
      queue.exclusively(async () => {
        await database.write([{ sql: "update logs set head = head where id = ?", args: [log.id] }]);
      }),
    async close() {
      await sweeper.close();
      await queue.close();
    },
  };
}
