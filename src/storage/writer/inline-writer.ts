import { charactersOf, type Database, type Statement } from "../database.ts";
import type { WriteConnection } from "../embedded.ts";
import { storageFailure } from "../failures.ts";

/** Characters of arguments that a write in this thread may have: 100 events of 300 bytes, or about a millisecond. */
const MOST_CHARACTERS = 40_000;

/** One in this many goes to the thread, where the write-ahead log is copied into the database when it is long. */
const TURN = 64;

/** A write that took longer than this held up for too long whatever else this thread does. */
const SLOW_MS = 2;

/** How long the thread is given every write after two slow ones in a row: one may be chance, two are a slow disk. */
const CAUTION_MS = 1_000;

export interface InlineWriterDeps {
  /** Opens the connection to write from this thread with. */
  readonly open: () => WriteConnection;
  /** Writes from the other thread. */
  readonly write: Database["write"];
  /** Whether the other thread is writing, for whomever, or cannot be relied upon. */
  readonly isWriting: () => boolean;
  /** In milliseconds; only differences count. */
  readonly now: () => number;
}

export interface InlineWriter {
  readonly write: Database["write"];
  close(): void;
}

/**
 * Writes in this thread what comes alone and is small, as long as the disk is quick: the way to another thread and back
 * takes about half as long as such a write does. Everything else is given to the thread that writes.
 */
export function createInlineWriter({ open, write, isWriting, now }: InlineWriterDeps): InlineWriter {
  let writer: WriteConnection | null = null;
  let turn = 0;
  let wasSlow = false;
  let cautiousUntil = -Infinity;

  const isForThread = (statements: readonly Statement[]): boolean => {
    turn = (turn + 1) % TURN;
    return turn === 0 || now() < cautiousUntil || isWriting() || charactersOf(statements) > MOST_CHARACTERS;
  };

  return {
    async write(statements) {
      if (isForThread(statements)) return write(statements);
      const started = now();
      try {
        writer ??= open();
        return writer.write(statements);
      } catch (error) {
        // Nothing was written. The thread waits for another process's lock.
        if (storageFailure(error) !== "busy") throw error;
        return write(statements);
      } finally {
        const slow = now() - started > SLOW_MS;
        if (slow && wasSlow) cautiousUntil = now() + CAUTION_MS;
        wasSlow = slow;
      }
    },
    close() {
      writer?.close();
      writer = null;
    },
  };
}
