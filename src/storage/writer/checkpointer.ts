import { charactersOf, type Statement } from "../database.ts";

/** Characters of arguments that may be written before they are copied: some 4,000 events of 250 bytes. */
const CHARACTERS = 1_000_000;

/** How long the write-ahead log is left alone at least, so that pages that are written again and again are copied once. */
const REST_MS = 200;

/** Each copies what was written during the one before, which is less and less. */
const PASSES = 3;

export interface CheckpointerDeps {
  /** Copies the write-ahead log into the database, in the background. */
  readonly checkpoint: () => Promise<void>;
  /** Copies what was written meanwhile, between two writes, so that the log is begun anew. */
  readonly finish: () => Promise<void>;
  /** In milliseconds; only differences count. */
  readonly now: () => number;
}

export interface Checkpointer {
  /** To be told of each write. */
  wrote(statements: readonly Statement[]): void;
  /** Resolves when no checkpoint is under way. */
  settled(): Promise<void>;
}

/**
 * Copies the write-ahead log ahead of the commit that would have to, while it is far from full: in a large store that
 * commit, and all that wait for it, would stand still for a tenth of a second. Only the little that was written
 * meanwhile is copied while nobody writes, which it takes for the log to be begun anew.
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
    // What fails here is left to the commit that finds the log full.
    await copyAll().catch(() => {});
    running = null;
    characters = 0;
    notBefore = now() + REST_MS;
  };
  return {
    wrote(statements) {
      characters += charactersOf(statements);
      if (running === null && characters >= CHARACTERS && now() >= notBefore) running = run();
    },
    async settled() {
      await running;
    },
  };
}
