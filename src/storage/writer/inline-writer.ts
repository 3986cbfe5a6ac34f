import { charactersOf, type Database, type Statement } from "../database.ts";
import type { WriteConnection } from "../embedded.ts";
import { storageFailure } from "../failures.ts";

/** Characters of arguments that an inline write may have: 100 events of 300 bytes, or about a millisecond. */
const MOST_CHARACTERS = 40_000;

/** One write in this many goes to the thread, which checkpoints the write-ahead log when it is long. */
const THREAD_EVERY = 64;

/** A longer write blocks this thread's other work for too long. */
const SLOW_MS = 2;

/** How long the thread takes every write after two slow ones in a row: one may be chance, two are a slow disk. */
const CAUTION_MS = 1_000;

export interface InlineWriterDeps {
  /** Opens this thread's connection for writes. */
  readonly open: () => WriteConnection;
  /** Writes on the other thread. */
  readonly write: Database["write"];
  /** Whether the other thread is writing, for any sender, or is unavailable. */
  readonly isWriting: () => boolean;
  /** In milliseconds; only differences count. */
  readonly now: () => number;
}

export interface InlineWriter {
  readonly write: Database["write"];
  /** Frees the caches of this thread's connection. */
  release(): void;
  close(): void;
}

/**
 * Writes small, unaccompanied batches in this thread, as long as the disk is quick: the round trip to another thread
 * takes about half as long as such a write. The writer thread takes all others.
 */
export function createInlineWriter({ open, write, isWriting, now }: InlineWriterDeps): InlineWriter {
  let writer: WriteConnection | null = null;
  let count = 0;
  let wasSlow = false;
  let cautiousUntil = -Infinity;

  const isForThread = (statements: readonly Statement[]): boolean => {
    count = (count + 1) % THREAD_EVERY;
    return count === 0 || now() < cautiousUntil || isWriting() || charactersOf(statements) > MOST_CHARACTERS;
  };

  return {
    async write(statements) {
      if (isForThread(statements)) return write(statements);
      const started = now();
      try {
        writer ??= open();
        return writer.write(statements);
      } catch (error) {
        // Nothing was written. The thread waits for the other process's lock.
        if (storageFailure(error) !== "busy") throw error;
        return write(statements);
      } finally {
        const slow = now() - started > SLOW_MS;
        if (slow && wasSlow) cautiousUntil = now() + CAUTION_MS;
        wasSlow = slow;
      }
    },
    release: () => writer?.release(),
    close() {
      writer?.close();
      writer = null;
    },
  };
}
