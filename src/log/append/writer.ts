import type { Clock } from "../../core/clock.ts";
import { KildeError } from "../../core/errors.ts";
import type { Limits } from "../../core/limits.ts";
import { createCommitQueue } from "./commit-queue.ts";
import type { Database, Row, Statement } from "../../storage/database.ts";
import { erasure } from "../erase/erasures.ts";
import { storageError, storageFailure } from "../../storage/failures.ts";
import { EVENT_LOG_ADDRESS } from "../keys.ts";
import type { LogState } from "../log-state.ts";
import type { AppendOutcome, Transaction } from "./plan.ts";
import { createSweeper, type SweepFailure } from "../erase/sweeper.ts";
import { truncateSubject } from "../erase/truncate.ts";

/** The outcome of a batch for another log: its rows, and how long the database took; or a plan that was out of date. */
export type Written =
  | { readonly outcome: "written"; readonly rows: readonly (readonly Row[])[]; readonly durationMs: number }
  | { readonly outcome: "outdated" };

/** Writing logs that are not appended to from outside, such as feeds. */
export interface BatchWriter {
  /**
   * Runs statements in one atomic transaction, between two commits. Nothing is written when they rest on what is no
   * longer so. Throws a KildeError when storage fails; then the outcome is unknown.
   */
  write(statements: readonly Statement[]): Promise<Written>;
  /** Deletes in the background what batches have erased. */
  sweep(): void;
}

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

/** Runs the statements of a batch; see `BatchWriter`. */
export async function writeBatch(
  database: Database,
  clock: Clock,
  statements: readonly Statement[],
): Promise<Written> {
  const started = clock.monotonic();
  try {
    const rows = await database.write(statements);
    return { outcome: "written", rows, durationMs: clock.monotonic() - started };
  } catch (error) {
    const failure = storageFailure(error);
    // A libSQL server that is busy says so at once; whoever planned tries again as after a conflict.
    if (failure === "conflict" || (failure === "busy" && !database.embedded)) return { outcome: "outdated" };
    throw storageError(error);
  }
}

/** How often a write that rests on no plan is tried while the database is busy. */
const BUSY_ATTEMPTS = 50;

/** Writes statements that rest on nothing that others may change. Throws `overloaded` when the database stays busy. */
export async function writeUnplanned(
  writer: BatchWriter,
  statements: readonly Statement[],
): Promise<Extract<Written, { outcome: "written" }>> {
  for (let attempt = 1; attempt <= BUSY_ATTEMPTS; attempt += 1) {
    const written = await writer.write(statements);
    if (written.outcome === "written") return written;
  }
  throw new KildeError("overloaded", `The database was busy ${BUSY_ATTEMPTS} times in a row`);
}

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
