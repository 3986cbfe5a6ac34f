/** Events that one query may find before it is known how large they are. */
const FIRST_EVENTS = 100;

/** Characters of source data that a batch aims at. */
const BATCH_CHARACTERS = 4 * 1024 * 1024;

/** How many events to take at a time, so that large ones do not fill the memory. */
export interface BatchSize {
  now(): number;
  /** Told of each batch that was read. */
  saw(rows: readonly { readonly characters: number }[]): void;
}

/** Begins small, and takes up to `most` events while they are small. */
export function createBatchSize(most: number): BatchSize {
  let size = Math.min(FIRST_EVENTS, most);
  return {
    now: () => size,
    saw(rows) {
      const characters = rows.reduce((total, row) => total + row.characters, 0);
      if (characters > BATCH_CHARACTERS) size = Math.max(1, size >> 1);
      else if (characters * 4 < BATCH_CHARACTERS) size = Math.min(most, size * 2);
    },
  };
}
