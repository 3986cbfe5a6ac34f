import { type Database, integerAt, type PurgeDeps, type Statement } from "./database.ts";

/*
 * Overwrites the remains of deleted rows in the pages of a file.
 *
 * `pragma secure_delete` overwrites a row that is deleted, and a page that is freed. But when SQLite moves rows between
 * neighboring pages to balance a tree, the page that a row leaves keeps a copy in its unallocated bytes; a row that was
 * moved and deleted later is then still in the file. A log other than the last in the table always grows between two
 * pages, so this happens constantly. SQLite defines the unallocated bytes of a table's leaf page as those between its
 * array of cell pointers and its first cell. SQLite never reads them, so the scrub sets them to zero through
 * `sqlite_dbpage`, which writes pages like any other transaction. Only tables hold event data: indexes hold names,
 * types and numbers.
 */

/** Pages that one write examines: 1 MB, about two milliseconds when none has to be written. */
const SCRUBBED_PAGES = 256;

/** A row may move from a page not yet scrubbed to one already scrubbed; the second pass finds it. */
const PASSES = 2;

/** The scrub empties the write-ahead log after this many slices that wrote something. */
const SLICES_PER_LOG = 8;

/**
 * In a file of more pages (893 GB at 4 KB), an overflow page of text could look like a table's leaf page: its first
 * byte is that of the next page's number.
 */
const MOST_PAGES = 0x0d_00_00_00;

const unsigned = (offset: number) => `(('0x' || hex(substr(data, ${offset + 1}, 2))) ->> '$')`;
const CELLS = unsigned(3);
const CONTENT = unsigned(5);
const GAP = `(8 + 2 * ${CELLS})`;

/** Arguments: first page, last page. Page 1 is the schema's. */
export const SCRUB_PAGES = `
update sqlite_dbpage
set data = cast(substr(data, 1, ${GAP}) || zeroblob(${CONTENT} - ${GAP}) || substr(data, ${CONTENT} + 1) as blob)
where pgno in (with recursive page (number) as (values (cast(?1 as integer)) union all
    select number + 1 from page where number < ?2) select number from page)
  and substr(data, 1, 1) = x'0D' and ${CONTENT} > ${GAP} and ${CONTENT} <= length(data)
  and substr(data, ${GAP} + 1, ${CONTENT} - ${GAP}) <> zeroblob(${CONTENT} - ${GAP})`;

const CHANGES: Statement = { sql: "select changes()", args: [] };

export interface ScrubDeps extends PurgeDeps {
  readonly read: Database["read"];
  /** Copies the write-ahead log into the file and empties it; false while another connection uses it. */
  readonly emptyWal: () => Promise<boolean>;
}

async function pageCount({ read }: ScrubDeps): Promise<number> {
  const [row] = await read({ sql: "pragma page_count", args: [] });
  return integerAt(row, 0);
}

/** Scrubs pages in slices, and leaves as much time between slices as each took. */
async function scrubOnce(deps: ScrubDeps): Promise<void> {
  const { clock, write, signal } = deps;
  let since = 0;
  for (let first = 2; first <= (await pageCount(deps)) && !signal.aborted; first += SCRUBBED_PAGES) {
    const last = Math.min(first + SCRUBBED_PAGES - 1, await pageCount(deps));
    const started = clock.monotonic();
    const rows = await write([{ sql: SCRUB_PAGES, args: [first, last] }, CHANGES]);
    const changed = integerAt(rows[1]?.[0], 0);
    if (changed > 0) since += 1;
    // The writer's pages are not among the statements that the background checkpoint counts.
    if (since >= SLICES_PER_LOG) {
      since = 0;
      await deps.emptyWal();
    }
    await clock.sleep(clock.monotonic() - started, signal);
  }
}

/** Attempts at emptying the write-ahead log at the end, and the pause between them. */
const EMPTY_ATTEMPTS = 40;
const EMPTY_MS = 250;

/**
 * Overwrites the remains of deleted rows in every page of a file, and empties its write-ahead log. Reads the whole
 * file, and writes the pages that have remains. Throws when the file has too many pages, or when a connection keeps
 * reading the log.
 */
export async function scrub(deps: ScrubDeps): Promise<void> {
  const { clock, signal } = deps;
  if ((await pageCount(deps)) > MOST_PAGES) {
    throw new Error(`The file has more than ${MOST_PAGES} pages: only \`kilde doctor --repair\` clears it`);
  }
  for (let pass = 0; pass < PASSES; pass += 1) await scrubOnce(deps);
  for (let attempt = 1; attempt <= EMPTY_ATTEMPTS && !signal.aborted; attempt += 1) {
    if (await deps.emptyWal()) return;
    await clock.sleep(EMPTY_MS, signal);
  }
  if (!signal.aborted)
    throw new Error("The write-ahead log cannot be emptied: a connection keeps reading it");
}
