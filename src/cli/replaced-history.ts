import { existsSync } from "node:fs";

import type { Clock } from "../core/clock.ts";
import type { Limits } from "../core/limits.ts";
import type { Database } from "../storage/database.ts";
import { applyErasures, type Erasure, listErasures } from "../log/erase/erasures.ts";
import { type LogLineage, readIdentities, renewIdentities } from "../log/identity.ts";
import { type LogInventory, takeInventory } from "../backup/inventory.ts";
import { EVENT_LOG_ADDRESS } from "../log/keys.ts";
import { databaseFileKind, openReadOnly } from "../storage/sealed-files.ts";
import { sweepRound } from "../log/erase/sweeper.ts";
import { openLogWriter } from "../log/append/writer.ts";
import { isDriverError } from "./database.ts";

/** What outlives a store that a restore replaces. */
export interface ReplacedHistory {
  readonly inventory: readonly LogInventory[];
  readonly histories: readonly LogLineage[];
  readonly erasures: readonly Erasure[];
}

/** Reads what must outlive a store; null where there is none, or it is too damaged to be read. */
export async function readReplacedHistory(file: string): Promise<ReplacedHistory | null> {
  if (!existsSync(file) || databaseFileKind(file) === "not-a-database") return null;
  const database = openReadOnly(file);
  try {
    return {
      inventory: await takeInventory(database),
      histories: await readIdentities(database),
      erasures: await Array.fromAsync(listErasures(database, EVENT_LOG_ADDRESS)),
    };
  } catch (error) {
    if (isDriverError(error)) return null;
    throw error;
  } finally {
    database.close();
  }
}

export interface ContinueDeps {
  readonly clock: Clock;
  readonly limits: Limits;
}

/**
 * Makes a restored store the successor of the one that it replaces: gives its logs new identities with the lineage of
 * both, and erases again, down to the bytes, what was erased since the backup.
 * @returns the number of streams that were erased
 */
export async function continueHistory(
  database: Database,
  { histories, erasures }: Pick<ReplacedHistory, "histories" | "erasures">,
  { clock, limits }: ContinueDeps,
): Promise<number> {
  await renewIdentities(database, histories);
  const writer = openLogWriter({ database, clock, limits, onNews: () => {}, onSweep: () => {} });
  try {
    const applied = await applyErasures({ database, writer }, erasures);
    const { signal } = new AbortController();
    while (await sweepRound({ database, writer, clock }, signal));
    return applied;
  } finally {
    await writer.close();
  }
}
