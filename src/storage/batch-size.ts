import { type Database, integerAt, type Statement } from "./database.ts";
import { isTooLarge } from "./failures.ts";

/** Rows that one query may return before the size of rows is known. */
const FIRST_EVENTS = 100;

/** Characters of source data that a batch aims at. */
const BATCH_CHARACTERS = 4 * 1024 * 1024;

/** Most bytes of events that one query reads, unless a single event is larger. */
export const BATCH_BYTES = 8 * 1024 * 1024;

/** Up to this many rows are read without a query for their size. */
const FEW_EVENTS = 4;

/** How many rows to read at a time, so that large ones do not fill the memory. */
export interface BatchSize {
  now(): number;
  /** Adapts the size to a batch that was read. */
  record(rows: readonly { readonly characters: number }[]): void;
  /** Halves the size after an answer that the database refused as too large. */
  halve(): void;
}

/** Starts small, and grows to `most` rows while rows are small. */
export function createBatchSize(most: number): BatchSize {
  let size = Math.min(FIRST_EVENTS, most);
  return {
    now: () => size,
    halve() {
      size = Math.max(1, size >> 1);
    },
    record(rows) {
      const characters = rows.reduce((total, row) => total + row.characters, 0);
      if (characters > BATCH_CHARACTERS) size = Math.max(1, size >> 1);
      else if (characters * 4 < BATCH_CHARACTERS) size = Math.min(most, size * 2);
    },
  };
}

/** The query that batches are read from. */
export interface BatchSource<Row> {
  /** Most rows that there can be. */
  readonly span: number;
  readonly database: Pick<Database, "read">;
  /** Selects how many rows there are, up to a limit, and how many of them fit into {@link BATCH_BYTES}. */
  readonly fitting: (limit: number) => Statement;
  /**
   * Reads up to `limit` rows. Null: one of them is larger than `mostBytes`, and the database sent the content of none that
   * is. `mostBytes` null: whatever their size.
   */
  readonly read: (limit: number, mostBytes: number | null) => Promise<readonly Row[] | null>;
}

/**
 * Reads up to `limit` rows that fit into {@link BATCH_BYTES}, and returns them with the limit that applied. Rows are
 * usually small, so they are read at once with a bound on each. A query for their sizes would cost as much as reading
 * them; it runs only where one of them exceeds the bound.
 */
async function readWithinBytes<Row>(
  source: BatchSource<Row>,
  limit: number,
): Promise<{ readonly rows: readonly Row[]; readonly limit: number }> {
  const isFew = Math.min(source.span, limit) <= FEW_EVENTS;
  const rows = await source.read(limit, isFew ? null : Math.floor(BATCH_BYTES / limit));
  if (rows !== null) return { rows, limit };
  const [row] = await source.database.read(source.fitting(limit));
  const [all, within] = [integerAt(row, 0), integerAt(row, 1)];
  const fitting = within < all ? Math.max(1, within) : limit;
  return { rows: (await source.read(fitting, null)) ?? [], limit: fitting };
}

/**
 * Reads the next batch and returns it with its limit. The limit is lower where rows are large, or where a libSQL server
 * refuses a larger answer.
 */
export async function readBatch<Row extends { readonly characters: number }>(
  size: BatchSize,
  source: BatchSource<Row>,
): Promise<{ readonly rows: readonly Row[]; readonly limit: number }> {
  for (;;) {
    const wanted = size.now();
    try {
      const batch = await readWithinBytes(source, wanted);
      size.record(batch.rows);
      return batch;
    } catch (error) {
      if (wanted === 1 || !isTooLarge(error)) throw error;
      size.halve();
    }
  }
}
