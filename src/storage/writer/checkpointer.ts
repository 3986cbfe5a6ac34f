import { charactersOf, type Statement } from "../database.ts";

/** Characters of arguments after which a checkpoint starts: about 4,000 events of 250 bytes. */
const CHARACTERS = 1_000_000;

/** Shortest pause between checkpoints, so that pages that are written repeatedly are copied once. */
const REST_MS = 200;

/** Each pass copies the pages that were written during the previous one, which are fewer and fewer. */
const PASSES = 3;

export interface CheckpointerDeps {
  /** Copies the write-ahead log into the database, in the background. */
  readonly checkpoint: () => Promise<void>;
  /** Copies the rest of the log between two writes, so that the log restarts from its beginning. */
  readonly finish: () => Promise<void>;
  /** In milliseconds; only differences count. */
  readonly now: () => number;
}

export interface Checkpointer {
  /** Counts a write that was committed. */
  record(statements: readonly Statement[]): void;
  /** Resolves when no checkpoint is running. */
  settled(): Promise<void>;
}

/**
 * Copies the write-ahead log before it is full. In a large store the commit that finds it full, and all that wait for
 * that commit, would otherwise stand still for a tenth of a second. Writers wait only for the last pass, which is short
 * and lets the log restart.
 */
export function createCheckpointer({ checkpoint, finish, now }: CheckpointerDeps): Checkpointer {
  let running: Promise<void> | null = null;
  let characters = 0;
  let notBefore = -Infinity;
  const copyAll = async () => {
    for (let pass = 0; pass < PASSES; pass += 1) await checkpoint();
    await finish();
  };
  const run = async () => {
    // When a checkpoint fails, the commit that finds the log full copies it.
    await copyAll().catch(() => {});
    running = null;
    characters = 0;
    notBefore = now() + REST_MS;
  };
  return {
    record(statements) {
      characters += charactersOf(statements);
      if (running === null && characters >= CHARACTERS && now() >= notBefore) running = run();
    },
    async settled() {
      await running;
    },
  };
}
