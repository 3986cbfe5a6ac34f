import { existsSync } from "node:fs";

import { recordRemovals } from "../administration/stream-entries.ts";
import { endRestoredKeys, type KeyEndings, readKeyEndings } from "../access/restored-keys.ts";
import type { Clock } from "../core/clock.ts";
import type { Limits } from "../core/limits.ts";
import { UNMEASURED } from "../core/measures.ts";
import type { Database } from "../storage/database.ts";
import { applyErasures, type Erasure, listErasures } from "../log/erase/erasures.ts";
import { renewIdentities } from "../backup/renew-identities.ts";
import { type LogLineage, readIdentities } from "../log/identity.ts";
import { type LogInventory, takeInventory } from "../log/read/inventory.ts";
import { EVENT_LOG_ADDRESS } from "../log/keys.ts";
import { databaseFileKind, openReadOnly } from "../storage/sealed-files.ts";
import { sweepRound } from "../log/erase/sweeper.ts";
import { openLogWriter } from "../log/append/writer.ts";
import { isDriverError } from "./database.ts";

/** The data of a store that outlives its replacement by a restore. */
export interface ReplacedHistory {
  readonly inventory: readonly LogInventory[];
  readonly histories: readonly LogLineage[];
  readonly erasures: readonly Erasure[];
  readonly keys: KeyEndings;
}

/** Reads the data that must outlive a store; null when there is no store, or it is too damaged to read. */
export async function readReplacedHistory(file: string): Promise<ReplacedHistory | null> {
  if (!existsSync(file) || databaseFileKind(file) === "not-a-database") return null;
  const database = openReadOnly(file);
  try {
    return {
      inventory: await takeInventory(database),
      histories: await readIdentities(database),
      erasures: await Array.fromAsync(listErasures(database, EVENT_LOG_ADDRESS)),
      keys: await readKeyEndings(database),
    };
  } catch (error) {
    if (isDriverError(error)) return null;
    throw error;
  } finally {
    database.close();
  }
}

/** The history that a restored store continues. */
export interface ContinuedHistory extends Pick<ReplacedHistory, "histories" | "erasures"> {
  /** Null: the store that had them is lost. */
  readonly keys: KeyEndings | null;
  /** Whether keys stay valid whose revocation is unknown. */
  readonly keepsKeys: boolean;
}

/** The changes of a store that continues the history of another one. */
export interface Continuation {
  /** Number of streams that were erased. */
  readonly erased: number;
  /** Number of keys that were revoked, because they may have been revoked after the backup. */
  readonly keysRevoked: number;
}

export interface ContinueDeps {
  readonly clock: Clock;
  readonly limits: Limits;
}

/**
 * Makes a restored store the successor of the store that it replaces: gives its logs new identities with the lineage
 * of both, repeats the erasures since the backup, down to the bytes, and the revocations of keys.
 */
export async function continueHistory(
  database: Database,
  { histories, erasures, keys: endings, keepsKeys }: ContinuedHistory,
  { clock, limits }: ContinueDeps,
): Promise<Continuation> {
  await renewIdentities(database, clock, histories);
  const keysRevoked = await endRestoredKeys(database, { endings, keepsKeys, nowMs: clock.now() });
  const ignore = () => {};
  const notices = { onNotice: ignore, onSweep: ignore, onBeside: ignore };
  const writer = openLogWriter({ database, clock, limits, measures: UNMEASURED, recordRemovals, ...notices });
  try {
    const erased = await applyErasures({ database, writer }, erasures);
    const { signal } = new AbortController();
    while (await sweepRound({ database, writer, clock }, signal));
    return { erased, keysRevoked };
  } finally {
    await writer.close();
  }
}
