import type { Clock } from "../../core/clock.ts";
import { utf8Bytes } from "../../core/names.ts";
import { type Database, integerAt, type Row, textAt } from "../../storage/database.ts";
import type { LogAddress } from "../keys.ts";
import { isTooLarge } from "../../storage/failures.ts";
import { bytesStatement, fittingSelection, pageStatement, type EventSelection, type Form } from "./pages.ts";
import { positionsIn } from "./page-positions.ts";
import type { Framing } from "./render.ts";

/** Some events as framed text, as a string or in UTF-8. */
export type PagePart = string | Uint8Array<ArrayBuffer>;

export interface Page {
  /** The events as framed text, in parts that follow each other; none when there are no events. */
  readonly parts: readonly PagePart[];
  readonly count: number;
  /** Positions of the first and the last event, in the direction of the page; 0 when it is empty. */
  readonly first: number;
  readonly last: number;
  /** How often something was removed from the log, in the state that was read; null: removed from while it was read. */
  readonly removals: number | null;
  /** The limit or the bytes were used up: later appends cannot change its events, and there may be more. */
  readonly full: boolean;
}

export interface ReadDeps {
  readonly database: Database;
  readonly clock: Clock;
  /** Most bytes of a page; one event may be larger. */
  readonly pageBytes: number;
  /** Most bytes of an event on the wire. */
  readonly eventBytes: number;
  /** Most events that one query reads; a page may be of several. */
  readonly pieceEvents: number;
}

/** Positions or versions that one query of a filtered read looks through, so that none blocks for long. */
const SCAN_WINDOW = 10_000;

export interface PageReadOptions {
  /** Ends a read of several queries after the one that runs. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the bytes that are about to be read at most; may throw what the read then fails with. */
  readonly admit?: ((bytes: number) => void) | undefined;
}

/** Bytes that are read without being admitted: asking for their number would cost more. */
const UNCOUNTED_BYTES = 4 * 1024 * 1024;

/** Most versions of a subject that are taken to be small until one of them is not. */
const FEW_VERSIONS = 100;

interface Piece extends Omit<Page, "full" | "parts"> {
  /** Null: no events. */
  readonly part: PagePart | null;
  /** Null: nothing was read. */
  readonly identity: string | null;
  readonly cutByBytes: boolean;
}

const NO_POSITIONS = { first: 0, last: 0 };

function partAt(value: unknown): PagePart | null {
  if (value === null || typeof value === "string") return value;
  if (value instanceof Uint8Array && value.buffer instanceof ArrayBuffer)
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  throw new TypeError(`a page came as ${typeof value}`);
}

/** The bytes that a piece may have, and whether they are counted before they are read. */
interface Room {
  readonly maxBytes: number;
  readonly isCounted: boolean;
}

function uncountedBytes({ maxBytes, isCounted }: Room): number {
  return isCounted ? Math.min(UNCOUNTED_BYTES, maxBytes) : maxBytes;
}

/** Whether a selection may hold more than so many bytes; so few events cannot, however large they are. */
function mayExceed(maxBytes: number, eventBytes: number, { after, before, limit }: EventSelection): boolean {
  return Math.min(limit, before - after - 1) * eventBytes > maxBytes;
}

/**
 * Events of a selection that fit into so many bytes, all of them unless there are more, and how
 * many bytes they have at most; null if so few events are not worth counting.
 */
async function fittingLimit(
  { database, eventBytes }: ReadDeps,
  log: LogAddress,
  selection: EventSelection,
  { maxBytes, isCounted }: Room,
): Promise<{ readonly limit: number; readonly bytes: number | null }> {
  const { limit } = selection;
  if (!mayExceed(uncountedBytes({ maxBytes, isCounted }), eventBytes, selection))
    return { limit, bytes: null };
  const bytes = integerAt((await database.read(bytesStatement(log, selection)))[0], 0);
  if (bytes <= maxBytes) return { limit, bytes };
  const [row] = await database.read(fittingSelection(log, selection, maxBytes));
  return { limit: integerAt(row, 1), bytes: maxBytes };
}

function formOf({ embedded }: Database): Form {
  return embedded ? "bytes" : "text";
}

/** Reads up to `limit` events; fewer where a libSQL server cannot answer with so many at once. */
async function readEvents(
  { database }: ReadDeps,
  log: LogAddress,
  selection: EventSelection,
  framing: Framing,
): Promise<{ readonly row: Row | undefined; readonly limit: number }> {
  const form = formOf(database);
  for (let { limit } = selection; ; limit = Math.ceil(limit / 2)) {
    try {
      const [row] = await database.read(pageStatement(log, { ...selection, limit }, framing, form));
      return { row, limit };
    } catch (error) {
      if (limit === 1 || !isTooLarge(error)) throw error;
    }
  }
}

function pieceOf(row: Row | undefined, framing: Framing, cutByBytes: boolean): Piece {
  const part = partAt(row?.[1] ?? null);
  const { first, last } = part === null ? NO_POSITIONS : positionsIn(part, framing);
  const [identity, count, removals] = [textAt(row, 2), integerAt(row, 0), integerAt(row, 3)];
  return { part, identity, removals, count, first, last, cutByBytes };
}

/**
 * Reads a few versions of a subject without counting their bytes first, which would take half as long as the page: only
 * events that are so small that all of them need not be counted. Null when there are others, or the selection is not of
 * all versions in a small range.
 */
async function readSmallEvents(
  { database }: ReadDeps,
  log: LogAddress,
  selection: EventSelection,
  framing: Framing,
  room: Room,
): Promise<Piece | null> {
  const { source, after, before, filter, limit } = selection;
  const versions = before - after - 1;
  if (source === "log" || versions < 1 || versions > Math.min(limit, FEW_VERSIONS)) return null;
  if (Object.values(filter).some((value) => value !== undefined)) return null;
  const mostBytes = Math.floor(uncountedBytes(room) / versions);
  const form = formOf(database);
  const [row] = await database.read(pageStatement(log, selection, framing, form, mostBytes));
  const piece = pieceOf(row, framing, false);
  return piece.count === versions ? piece : null;
}

/** Reads at most `maxBytes`; the first event of a page is read whatever its size. */
async function readPiece(
  deps: ReadDeps,
  log: LogAddress,
  selection: EventSelection,
  framing: Framing,
  { maxBytes, isFirst }: { readonly maxBytes: number; readonly isFirst: boolean },
  admit: PageReadOptions["admit"],
): Promise<Piece> {
  const room = { maxBytes, isCounted: admit !== undefined };
  const small = await readSmallEvents(deps, log, selection, framing, room);
  if (small !== null) return small;
  const { limit: fitting, bytes } = await fittingLimit(deps, log, selection, room);
  if (fitting === 0 && !isFirst)
    return { part: null, identity: null, removals: null, count: 0, ...NO_POSITIONS, cutByBytes: true };
  const asked = Math.max(1, fitting);
  if (bytes !== null) admit?.(bytes);
  const { row, limit } = await readEvents(deps, log, { ...selection, limit: asked }, framing);
  return pieceOf(row, framing, limit < selection.limit);
}

/**
 * Parts of the range that are read by one query each: all of it, unless a filter may leave out most events, or it may
 * hold more than a query reads.
 */
function* windows(selection: EventSelection, pieceEvents: number): Generator<EventSelection> {
  const { after, before, direction, filter, limit } = selection;
  const { types, subjectPrefix, recordedBy } = filter;
  const filtered = types !== undefined || subjectPrefix !== undefined || recordedBy !== undefined;
  const span = Math.min(pieceEvents, filtered ? SCAN_WINDOW : Infinity);
  if (!filtered && limit <= span) {
    yield selection;
    return;
  }
  if (direction === "forwards") {
    for (let low = after; low < before - 1; low += span) {
      yield { ...selection, after: low, before: Math.min(before, low + span + 1) };
    }
    return;
  }
  for (let high = before; high > after + 1; high -= span) {
    yield { ...selection, before: high, after: Math.max(after, high - span - 1) };
  }
}

/**
 * Reads one page of the history that an identity names; null when the log has another. A filtered read continues until the
 * page is full or its range ends, in bounded queries.
 */
export async function readPage(
  deps: ReadDeps,
  log: LogAddress,
  selection: EventSelection,
  framing: Framing,
  identity: string,
  { signal, admit }: PageReadOptions = {},
): Promise<Page | null> {
  const parts: PagePart[] = [];
  let [first, last] = [0, 0];
  let count = 0;
  let bytes = 0;
  let full = false;
  const removals = new Set<number>();
  for (const window of windows(selection, deps.pieceEvents)) {
    const room = { maxBytes: deps.pageBytes - bytes, isFirst: count === 0 };
    const rest = { ...window, limit: selection.limit - count };
    const piece = await readPiece(deps, log, rest, framing, room, admit);
    if (piece.identity !== null && piece.identity !== identity) return null;
    if (piece.removals !== null) removals.add(piece.removals);
    if (piece.part !== null) {
      parts.push(piece.part);
      if (count === 0) first = piece.first;
      last = piece.last;
      bytes += typeof piece.part === "string" ? utf8Bytes(piece.part) : piece.part.length;
    }
    count += piece.count;
    full = count >= selection.limit || piece.cutByBytes || bytes >= deps.pageBytes;
    if (full || signal?.aborted === true) break;
    if (window !== selection) await deps.clock.yield();
  }
  const [removed = 0] = removals;
  return {
    parts,
    count,
    first,
    last,
    removals: removals.size > 1 ? null : removed,
    full: full && count > 0,
  };
}
