import { utf8Bytes } from "../../core/names.ts";
import { type Database, integerAt, type Row, textAt } from "../../storage/database.ts";
import { isTooLarge } from "../../storage/failures.ts";
import type { LogAddress } from "../keys.ts";
import { type Direction, entriesStatement, type EventSelection, fittingSelection } from "../read/pages.ts";
import type { KnownHead } from "./known-head.ts";
import { type Entry, type Ring, RING_BYTES } from "./ring.ts";

/** Entries that one query adds. After a longer jump of the head the ring starts again near the end. */
const FILL_ENTRIES = 1_000;
/** So few new entries are read without asking how large they are. */
const FEW_ENTRIES = 4;

/** Positions after `after` and up to `upTo`. */
interface NewRange {
  readonly after: number;
  readonly upTo: number;
}

function selectionOf({ after, upTo }: NewRange, direction: Direction): EventSelection {
  return { source: "log", after, before: upTo + 1, direction, filter: {}, limit: FILL_ENTRIES };
}

function entryOf(row: Row): Entry {
  const text = textAt(row, 3);
  return {
    position: integerAt(row, 0),
    subject: textAt(row, 1),
    type: textAt(row, 2),
    text,
    bytes: utf8Bytes(text),
  };
}

/** The position after which new entries fit into the ring: those before it would be read to be dropped. */
async function fittingStart(database: Database, log: LogAddress, range: NewRange): Promise<number> {
  // A libSQL server bounds its answers, and asking it would delay every follower.
  if (range.upTo - range.after <= FEW_ENTRIES || !database.embedded) return range.after;
  const [row] = await database.read(fittingSelection(log, selectionOf(range, "backwards"), RING_BYTES));
  const [all, fitting] = [integerAt(row, 0), integerAt(row, 1)];
  // Positions may be missing, but never so that more entries come after the start than fit.
  return fitting < all ? range.upTo - fitting : range.after;
}

/**
 * Reads the entries of a range: none when the log has another identity; null when they are more than a libSQL server
 * returns at once.
 */
async function readNewEntries(
  database: Database,
  log: LogAddress,
  identity: string,
  range: NewRange,
): Promise<readonly Entry[] | null> {
  const statement = entriesStatement(log, identity, selectionOf(range, "forwards"), "event-stream");
  try {
    return (await database.read(statement)).map(entryOf);
  } catch (error) {
    if (!isTooLarge(error)) throw error;
    return null;
  }
}

export interface RingSource {
  readonly database: Database;
  readonly log: LogAddress;
  readonly known: KnownHead;
  /** Looks up the state of the log, and adopts it. */
  readonly refresh: () => Promise<unknown>;
}

/** Adds the events up to the known head to the ring. Leaves the ring alone when the log changes its history meanwhile. */
export async function fillRing(ring: Ring, { database, log, known, refresh }: RingSource): Promise<void> {
  const { head: upTo, identity } = known;
  const { discards } = ring;
  const isOutdated = () => known.identity !== identity || ring.discards !== discards;
  if (upTo - ring.end > FILL_ENTRIES) ring.reset(upTo - FILL_ENTRIES);
  const start = await fittingStart(database, log, { after: ring.end, upTo });
  if (isOutdated()) return;
  if (start > ring.end) ring.reset(start);
  const entries = await readNewEntries(database, log, identity, { after: ring.end, upTo });
  // The database gives nothing when the log has another identity.
  if (entries?.length === 0) await refresh();
  if (isOutdated()) return;
  // More at once than a libSQL server returns: followers that are behind read pages, and the ring starts empty.
  if (entries === null) ring.reset(upTo);
  else ring.add(entries, upTo);
}
