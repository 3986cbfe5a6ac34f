import type { Clock } from "../core/clock.ts";
import type { Limits } from "../core/limits.ts";
import type { Job } from "../jobs/job.ts";
import { truncateOlder } from "../log/erase/truncate-older.ts";
import { readHead } from "../log/read/subjects.ts";
import type { Database } from "../storage/database.ts";
import { type BatchWriter, writeUnplanned } from "../storage/batch-writer.ts";
import { operationsAddress } from "./operations-log.ts";

/** Between two looks for entries that have expired, in milliseconds. */
const LOOK_MS = 3_600_000;

/** Delays before an expiry that failed is tried again, in milliseconds. */
export const EXPIRY_BACKOFF = { firstMs: 1_000, lastMs: 60_000 };

export interface ExpiryDeps {
  readonly database: Database;
  readonly writer: BatchWriter;
  readonly clock: Clock;
  readonly limits: Pick<Limits, "operationsSeconds">;
  /** Called after each step that truncated entries. */
  readonly onTruncated: () => void;
}

/**
 * Truncates the entries of the log of administration that are older than the limit, a few at a time; the sweep deletes
 * them. The last entry about each resource stays, like the last event of a truncated stream.
 */
export function expiryJob({ database, writer, clock, limits, onTruncated }: ExpiryDeps): Job {
  return {
    name: "expire",
    async run({ signal }) {
      const log = await operationsAddress(database);
      const head = await readHead(database, log);
      const before = new Date(clock.now() - limits.operationsSeconds * 1_000).toISOString();
      for (let after: number | null = 0; after !== null && !signal.aborted;) {
        const { statements, position } = await truncateOlder(database, log, { after, head, before });
        after = position;
        if (statements.length === 0) continue;
        await writeUnplanned(writer, statements);
        writer.sweep();
        onTruncated();
        await clock.yield();
      }
      return { until: (until) => clock.sleep(LOOK_MS, until) };
    },
  };
}
