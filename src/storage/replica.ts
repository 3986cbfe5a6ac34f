import type { Clock } from "../core/clock.ts";
import { KildeError } from "../core/errors.ts";
import { type Database, integerAt, type Row, type Statement, textAt } from "./database.ts";

export interface ReplicaOptions {
  readonly clock: Clock;
  /** How long a read may wait until the replica is recent enough, in milliseconds. */
  readonly waitMs: number;
  /** Reads id, head, identity and former identities of every log, to order two states of the replica. */
  readonly selectHeads: Statement;
}

export interface ReplicaDeps extends ReplicaOptions {
  /** Runs statements on one snapshot and returns each one's rows. */
  readonly readTogether: (statements: readonly Statement[]) => Promise<readonly (readonly Row[])[]>;
  readonly close: () => void;
}

/** A log in one state of a replica. */
interface ReplicaLog {
  readonly head: number;
  readonly identity: string;
  /** Earlier identities of the log, each followed by a comma. */
  readonly former: string;
}

/** By log id. Heads only grow within an identity, and no log is ever removed, so heads order two states. */
type Heads = ReadonlyMap<number, ReplicaLog>;

/**
 * Reads per round. Replicas behind a round-robin address would otherwise return the lagging one to the same reader each
 * time, when two readers ask at the same pace.
 */
const READS_AT_ONCE = 2;

/**
 * Pauses between rounds that found an outdated state, in milliseconds; each pause is twice as long as the previous one.
 */
const FIRST_WAIT_MS = 2;
const LONGEST_WAIT_MS = 100;

function headsOf(rows: readonly Row[]): Heads {
  return new Map(
    rows.map((row) => [
      integerAt(row, 0),
      { head: integerAt(row, 1), identity: textAt(row, 2), former: textAt(row, 3) },
    ]),
  );
}

/** Whether a log was read in an earlier state than another one. A log that does not exist yet was. */
function isEarlier(log: ReplicaLog | undefined, than: ReplicaLog): boolean {
  if (log === undefined) return true;
  if (log.identity === than.identity) return log.head < than.head;
  return than.former.includes(`${log.identity},`);
}

function isOlder(heads: Heads, than: Heads): boolean {
  for (const [id, log] of than) if (isEarlier(heads.get(id), log)) return true;
  return false;
}

function later(a: Heads, b: Heads): Heads {
  if (!isOlder(a, b)) return a;
  const merged = new Map(a);
  for (const [id, log] of b) if (isEarlier(a.get(id), log)) merged.set(id, log);
  return merged;
}

/** Whether the replica lacks a table or column that a later migration adds. */
function lacksSchema(error: unknown): boolean {
  return error instanceof Error && /no such (table|column)/.test(error.message);
}

/**
 * Opens a replica for reading. However far it lags, it only moves forward for its readers: no read sees less than a
 * read that was answered before it began. Each read checks this, since several replicas may share an address, and one
 * may be replaced by another that lags further. Followers and reads in several steps depend on it.
 */
export function replicaDatabase({ readTogether, close, clock, waitMs, selectHeads }: ReplicaDeps): Database {
  let seen: Heads = new Map();

  const readOnce = async (statement: Statement) => {
    try {
      const [heads = [], rows = []] = await readTogether([selectHeads, statement]);
      return { heads: headsOf(heads), rows };
    } catch (error) {
      if (!lacksSchema(error)) throw error;
      throw new KildeError(
        "replica-behind",
        "The replica does not have the schema yet",
        {},
        { cause: error },
      );
    }
  };

  return {
    embedded: false,
    ordered: false,
    replica: true,
    write: () => Promise.reject(new Error("A replica accepts no writes")),
    async read(statement) {
      const before = seen;
      const end = clock.monotonic() + waitMs;
      for (let pauseMs = FIRST_WAIT_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_WAIT_MS)) {
        for (let attempt = 1; attempt <= READS_AT_ONCE; attempt += 1) {
          const { heads, rows } = await readOnce(statement);
          if (isOlder(heads, before)) continue;
          seen = later(heads, seen);
          return rows;
        }
        if (clock.monotonic() + pauseMs > end)
          throw new KildeError("replica-behind", "The replica is behind an earlier read");
        await clock.sleep(pauseMs);
      }
    },
    close,
  };
}
