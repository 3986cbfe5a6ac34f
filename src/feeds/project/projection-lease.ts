import type { Clock } from "../../core/clock.ts";
import type { LogReader } from "../../log/read/reader.ts";
import type { BatchWriter } from "../../storage/batch-writer.ts";
import type { Database } from "../../storage/database.ts";
import {
  type HasEnded,
  isFreeFor,
  lastHolder,
  type Lease,
  LEASE_MS,
  releaseLease,
  sleepUnlessEnded,
  takeLease,
  takeOver,
} from "../../storage/lease.ts";
import { currentRank } from "../contract/contract.ts";
import type { RegisteredFeed } from "../lifecycle/register.ts";
import { readFeed } from "../record.ts";

export interface ProjectionLeaseDeps {
  readonly database: Database;
  readonly writer: BatchWriter;
  readonly clock: Clock;
  /** Name of this process among those on the database. */
  readonly holder: string;
  /** Default: no holder is known to have ended, so that each lease lasts until it expires. */
  readonly hasEnded?: HasEnded;
  readonly source: LogReader;
  /** Resolves when the source may have events after a position. */
  readonly waitForEvents: (position: number, signal: AbortSignal) => Promise<unknown>;
}

/** The lease under which this process projects a feed. */
export interface ProjectionLease {
  /** Null: this process is not known to hold it. */
  held(): Lease | null;
  /**
   * Waits for work, and takes the lease for it, in a new term. Null: another process holds the lease or did the work, or the
   * signal aborted.
   */
  obtain(signal: AbortSignal): Promise<Lease | null>;
  /** Renews the lease, unless another process has taken it. */
  renew(): Promise<void>;
  /** Forgets the lease without releasing it, since storage failed. */
  forget(): void;
  release(): Promise<void>;
}

export function createProjectionLease(
  deps: ProjectionLeaseDeps,
  registered: RegisteredFeed,
): ProjectionLease {
  const { database, writer, clock, holder, source } = deps;
  const hasEnded = deps.hasEnded ?? (() => false);
  const { log, tracked } = registered;
  let lease: Lease | null = null;
  /** No other holder is known. */
  let fresh = true;

  const take = async (isNewTerm: boolean) =>
    takeLease(writer, log.name, holder, { rank: await currentRank(database, registered), isNewTerm });

  const isBehind = async () => {
    const record = await readFeed(database, log);
    if (record === null || record.status !== "live" || record.cursor < (await source.head())) return true;
    return tracked && record.traced !== null;
  };

  /** Gives another holder the time to project; no longer when its process ends. */
  const waitForHolder = async (signal: AbortSignal) => {
    const last = await lastHolder(database, log.name);
    // After a failure of storage this process is still the last holder.
    if (last === null || last.holder === holder) return;
    await sleepUnlessEnded(clock, LEASE_MS / 5, { leases: [last], hasEnded }, signal);
  };

  /**
   * A holder with nothing to do does not renew, and continues as long as no process needed to take over. So this process
   * takes the lease only for work that the holder had the time for and did not do.
   */
  const takeForWork = async (signal: AbortSignal): Promise<Lease | null> => {
    const last = await lastHolder(database, log.name);
    // The newest release does not wait for an older one to be late.
    if (last !== null && last.holder !== holder && last.rank < (await currentRank(database, registered)))
      return take(true);
    if (!(await isBehind())) await deps.waitForEvents((await readFeed(database, log))?.cursor ?? 0, signal);
    if (!fresh) await waitForHolder(signal);
    fresh = false;
    if (signal.aborted || !(await isBehind())) return null;
    const rank = await currentRank(database, registered);
    if (await isFreeFor(database, log.name, holder, rank)) return take(true);
    return takeOver({ database, writer, holder, hasEnded }, log.name, rank);
  };

  return {
    held: () => lease,
    async obtain(signal) {
      lease = await takeForWork(signal);
      return lease;
    },
    async renew() {
      lease = (await lastHolder(database, log.name))?.holder === holder ? await take(false) : null;
    },
    forget() {
      lease = null;
    },
    async release() {
      if (lease !== null) await releaseLease(writer, lease);
      lease = null;
    },
  };
}
