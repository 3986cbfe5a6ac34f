import { type Database, integerAt, type Statement } from "./database.ts";
import { isTooLarge } from "./failures.ts";

/** Events that one query may find before it is known how large they are. */
const FIRST_EVENTS = 100;

/** Characters of source data that a batch aims at. */
const BATCH_CHARACTERS = 4 * 1024 * 1024;

/** Most bytes of events that one query reads, unless a single event is larger. */
export const BATCH_BYTES = 8 * 1024 * 1024;

/** So few events are read without asking how large they are. */
const FEW_EVENTS = 4;

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

/** What a batch is read from. */
export interface BatchSource<Row> {
  /** Most events that there can be. */
  readonly span: number;
  readonly database: Database;
  /** Gives how many events there are, up to a limit, and how many of them fit into {@link BATCH_BYTES}. */
  readonly fitting: (limit: number) => Statement;
  readonly read: (limit: number) => Promise<readonly Row[]>;
}

/** The limit, or fewer where more would exceed the bytes of a batch. */
async function withinBytes<Row>(
  { span, database, fitting }: BatchSource<Row>,
  limit: number,
): Promise<number> {
  if (Math.min(span, limit) <= FEW_EVENTS) return limit;
  const [row] = await database.read(fitting(limit));
  const [all, within] = [integerAt(row, 0), integerAt(row, 1)];
  return within < all ? Math.max(1, within) : limit;
}

/**
 * Reads the next batch: at most `limit` rows. There are fewer where they are large, or where a libSQL server cannot
 * answer with more at once.
 */
export async function readBatch<Row extends { readonly characters: number }>(
  size: BatchSize,
  source: BatchSource<Row>,
): Promise<{ readonly rows: readonly Row[]; readonly limit: number }> {
  for (;;) {
    const limit = await withinBytes(source, size.now());
    try {
      const rows = await source.read(limit);
      size.saw(rows);
      return { rows, limit };
    } catch (error) {
      if (limit === 1 || !isTooLarge(error)) throw error;
      size.halve();
    }
  }
}
