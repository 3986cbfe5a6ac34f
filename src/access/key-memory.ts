import type { Clock } from "../core/clock.ts";
import { KildeError } from "../core/errors.ts";
import type { BatchWriter } from "../storage/batch-writer.ts";
import type { Database } from "../storage/database.ts";
import { storageError } from "../storage/failures.ts";
import { markSecured } from "./access-state.ts";
import { type KnownKeys, readKnownKeys } from "./known-keys.ts";
import { createSessionSecretMemory, type SessionSecretMemory } from "./session-secret.ts";

/** Knowledge of keys that is older is checked against the database before a request proceeds. */
const FRESH_MS = 1_000;

/** Tokens of unknown keys cause a check at most this often. */
const RECENT_MS = 100;

/**
 * Longest wait for a check by a libSQL server, in milliseconds. A request that waits for a check has still to do its
 * work, and its sender waits for an answer that reports the failure.
 */
const CHECK_DEADLINE_MS = 5_000;

/**
 * The keys as last read, which is plain data: the isolate of a worker keeps it from one request to the next, and nothing
 * in it waits or belongs to a request.
 */
export interface AccessMemory {
  known: KnownKeys | null;
  /** When the check of `known` began, on the monotonic clock. */
  checkedMs: number;
  readonly sessionSecret: SessionSecretMemory;
}

export function createAccessMemory(): AccessMemory {
  return { known: null, checkedMs: -Infinity, sessionSecret: createSessionSecretMemory() };
}

export interface KeyMemoryDeps {
  readonly memory: AccessMemory;
  readonly database: Database;
  readonly writer: Pick<BatchWriter, "write">;
  readonly clock: Pick<Clock, "now" | "monotonic" | "sleep">;
  /** Whether the store is to be marked as secured: issuers are configured. */
  readonly secures: boolean;
  /** Called when the keys have changed. */
  readonly onChange: () => void;
}

/** Keeps the memory of keys up to date. */
export interface KeyMemory {
  /** Whether the keys were checked at most a second ago. */
  isFresh(): boolean;
  /** Whether the keys were checked just now, so that an unknown key is not looked for again. */
  isRecent(): boolean;
  /**
   * Checks the keys. Callers share a check that is in progress. Throws a KildeError when storage fails, or does not
   * answer within 5 seconds.
   */
  refresh(): Promise<void>;
  /** Checks the keys after this process changed one. If that fails, the next request checks them. */
  relearn(): Promise<void>;
}

/** Takes over what the former keys know, and the database does not yet. */
function keepLastUses({ keys }: KnownKeys, former: KnownKeys | null): void {
  for (const [id, key] of keys) {
    const used = former?.keys.get(id)?.used ?? null;
    if (used !== null && (key.used === null || key.used < used)) key.used = used;
  }
}

export function createKeyMemory(deps: KeyMemoryDeps): KeyMemory {
  const { memory, database, writer, clock, secures, onChange } = deps;
  let checking: Promise<void> | null = null;

  const check = async () => {
    const began = clock.monotonic();
    const former = memory.known;
    let known = await readKnownKeys(database, former, clock.now());
    if (secures && !known.isSecured) {
      await markSecured(writer);
      known = { ...known, isSecured: true };
    }
    // A check of another invocation that began later has ended before this one.
    if (began < memory.checkedMs) return;
    memory.checkedMs = began;
    if (known === former) return;
    keepLastUses(known, former);
    memory.known = known;
    onChange();
  };

  /** A check that is late still updates the keys when it ends, unless one that began after it has ended before. */
  const checkInTime = async () => {
    if (database.embedded) return check();
    const done = new AbortController();
    const late = clock.sleep(CHECK_DEADLINE_MS, done.signal).then(() => {
      if (done.signal.aborted) return;
      const detail = `The database did not answer in ${CHECK_DEADLINE_MS} ms`;
      throw new KildeError("storage-unavailable", detail);
    });
    await Promise.race([check(), late]).finally(() => done.abort());
  };

  const refresh = () => {
    checking ??= checkInTime()
      .catch((error: unknown) => {
        throw storageError(error);
      })
      .finally(() => {
        checking = null;
      });
    return checking;
  };

  return {
    isFresh: () => clock.monotonic() - memory.checkedMs <= FRESH_MS,
    isRecent: () => clock.monotonic() - memory.checkedMs <= RECENT_MS,
    refresh,
    async relearn() {
      // A check that began before the change may have missed it.
      await checking?.catch(() => {});
      memory.checkedMs = -Infinity;
      // One that fails is repeated by the next request, since nothing is fresh.
      await refresh().catch(() => {});
    },
  };
}
