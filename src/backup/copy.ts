import { rmSync } from "node:fs";

import { openEmbedded } from "../storage/embedded.ts";
import { fileState, isClosed } from "../storage/sealed-files.ts";
import { type CopyOptions, StoreCopy } from "./store-copy.ts";

const UNHURRIED = { monotonic: () => 0, sleep: () => Promise.resolve() };

/**
 * Overwrites the remains of deleted rows in the pages of a copy, and turns the write-ahead log on, as in every store.
 */
async function settle(target: string): Promise<void> {
  const database = openEmbedded(target);
  try {
    const { signal } = new AbortController();
    await database.purge?.({
      clock: UNHURRIED,
      write: (statements) => database.write(statements),
      signal,
    });
  } finally {
    database.close();
  }
}

async function copyWhole(copy: StoreCopy): Promise<void> {
  try {
    const tables = copy.createTables();
    copy.noteGenerations();
    await copy.copyEvents();
    for (const table of tables) if (table.name !== "events") await copy.copyRows(table);
    copy.finish(tables);
    copy.dropCleared();
    copy.createIndexes();
    copy.dropTruncated();
  } finally {
    copy.close();
  }
}

/**
 * Copies a store that no process has open, without creating files beside it.
 * @returns false when a process has it open or opened it meanwhile: there is no copy then.
 */
async function copyClosed(source: string, target: string, options: CopyOptions): Promise<boolean> {
  const before = fileState(source);
  if (!isClosed(source)) return false;
  const stayedClosed = () => fileState(source) === before;
  try {
    await copyWhole(new StoreCopy(source, target, true, options));
  } catch (error) {
    if (stayedClosed()) throw error;
  }
  if (stayedClosed()) return true;
  rmSync(target, { force: true });
  return false;
}

/**
 * Copies the store in a file to a new file, in steps. Between steps it holds no lock on the source, and it never blocks
 * the source's writers. The copy shows one moment, with truncated and erased events deleted. The copy is not synced.
 */
export async function copyStore(source: string, target: string, options: CopyOptions = {}): Promise<void> {
  const isDone = await copyClosed(source, target, options);
  if (!isDone) await copyWhole(new StoreCopy(source, target, false, options));
  await settle(target);
}
