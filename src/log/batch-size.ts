import { isTooLarge } from "./failures.ts";

/** Events that one query may find before it is known how large they are. */
const FIRST_EVENTS = 100;

/** Characters of source data that a batch aims at. */
const BATCH_CHARACTERS = 4 * 1024 * 1024;

/** How many events to take at a time, so that large ones do not fill the memory. */
export interface BatchSize {
  now(): number;
  /** Told of each batch that was read. */
  saw(rows: readonly { readonly characters: number }[]): void;
  /** Told that they were more than the database can answer with. */
  halve(): void;
}

/** Begins small, and takes up to `most` events while they are small. */
export function createBatchSize(most: number): BatchSize {
  let size = Math.min(FIRST_EVENTS, most);
  return {
    now: () => size,
    halve() {
      size = Math.max(1, size >> 1);
    },
    saw(rows) {
      const characters = rows.reduce((total, row) => total + row.characters, 0);
      if (characters > BATCH_CHARACTERS) size = Math.max(1, size >> 1);
      else if (characters * 4 < BATCH_CHARACTERS) size = Math.min(most, size * 2);
    },
  };
}

/** Reads the next batch: at most `limit` rows, which are fewer where a libSQL server cannot answer with more at once. */
export async function readBatch<Row extends { readonly characters: number }>(
  size: BatchSize,
  read: (limit: number) => Promise<readonly Row[]>,
): Promise<{ readonly rows: readonly Row[]; readonly limit: number }> {
  for (;;) {
    const limit = size.now();
    try {
      const rows = await read(limit);
      size.saw(rows);
      return { rows, limit };
    } catch (error) {
      if (limit === 1 || !isTooLarge(error)) throw error;
      size.halve();
    }
  }
}
