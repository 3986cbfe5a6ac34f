import { createDueHeap } from "./due-heap.ts";
import { detachedLane, type Lane } from "./lane.ts";
import type { StoredLane } from "../subscriptions/subscription.ts";

/**
 * Lanes that wait for a time, or for an operator: nearly all blocked ones, and there may be very many. Each is a row of
 * numbers in columns, about 100 bytes, and not an object. A resting lane does not change: to change it, `wake` creates
 * an object of it again.
 */
export interface RestingLanes {
  size(): number;
  has(subject: number): boolean;
  /** Adds a detached lane without buffered events. Its object must not be used afterwards. */
  add(lane: Lane): void;
  /** Removes a lane and returns it as an object; null when the subject has no resting lane. */
  wake(subject: number): Lane | null;
  /** Removes and returns a lane that is due; null when there is none. */
  nextDue(now: number): Lane | null;
  /** When the next lane is due; infinity when none is scheduled. */
  soonest(): number;
  /** The rows that are not known to be stored. */
  unsaved(): UnsavedRows;
}

export interface UnsavedRows {
  readonly rows: readonly StoredLane[];
  /** Call it when the rows are stored: those whose lanes still rest then count as stored. */
  acknowledge(): void;
}

/** Initial number of slots, and the factor by which it grows. */
const FIRST_SLOTS = 64;
const GROWTH = 1.25;

/** Most error texts that lanes share. There are few different ones, unless an endpoint invents them. */
const SHARED_ERRORS = 1_000;

const FLAG_AHEAD = 1;
const FLAG_MAY_HAVE_ROW = 2;

/** NaN represents null. */
const numberOf = (value: number | null) => value ?? Number.NaN;
const valueOf = (number: number | undefined) =>
  number === undefined || Number.isNaN(number) ? null : number;

function createColumns(capacity: number) {
  return {
    subject: new Float64Array(capacity),
    next: new Float64Array(capacity),
    stop: new Float64Array(capacity),
    resume: new Float64Array(capacity),
    frozen: new Float64Array(capacity),
    attempts: new Uint32Array(capacity),
    due: new Float64Array(capacity),
    wait: new Float64Array(capacity),
    /** Milliseconds since 1970. */
    since: new Float64Array(capacity),
    flags: new Uint8Array(capacity),
    /** Unique number of the stay: slots are reused, and a subject may rest again. 0: free. */
    stay: new Float64Array(capacity),
  };
}

type Columns = ReturnType<typeof createColumns>;

function grownColumns(columns: Columns, capacity: number): Columns {
  const grown = createColumns(capacity);
  for (const name of Object.keys(columns) as (keyof Columns)[]) grown[name].set(columns[name]);
  return grown;
}

/** Returns the same string for equal texts. */
function createSharedTexts() {
  const texts = new Map<string, string>();
  return (text: string | null): string | null => {
    if (text === null) return null;
    const shared = texts.get(text);
    if (shared !== undefined) return shared;
    if (texts.size >= SHARED_ERRORS) texts.clear();
    texts.set(text, text);
    return text;
  };
}

function writeLane(columns: Columns, slot: number, lane: Lane, stay: number): void {
  columns.subject[slot] = lane.subject;
  columns.next[slot] = lane.next;
  columns.stop[slot] = numberOf(lane.stop);
  columns.resume[slot] = numberOf(lane.resume);
  columns.frozen[slot] = numberOf(lane.frozen);
  columns.attempts[slot] = lane.attempts;
  columns.due[slot] = numberOf(lane.due);
  columns.wait[slot] = numberOf(lane.wait);
  columns.since[slot] = lane.since === null ? Number.NaN : Date.parse(lane.since);
  columns.flags[slot] = (lane.ahead ? FLAG_AHEAD : 0) + (lane.mayHaveRow ? FLAG_MAY_HAVE_ROW : 0);
  columns.stay[slot] = stay;
}

function readLane(columns: Columns, slot: number, error: string | null): StoredLane {
  const since = valueOf(columns.since[slot]);
  return {
    subject: columns.subject[slot] ?? 0,
    next: columns.next[slot] ?? 0,
    stop: valueOf(columns.stop[slot]),
    resume: valueOf(columns.resume[slot]),
    frozen: valueOf(columns.frozen[slot]),
    attempts: columns.attempts[slot] ?? 0,
    due: valueOf(columns.due[slot]),
    wait: valueOf(columns.wait[slot]),
    error,
    since: since === null ? null : new Date(since).toISOString(),
    ahead: ((columns.flags[slot] ?? 0) & FLAG_AHEAD) > 0,
  };
}

export function createRestingLanes(): RestingLanes {
  let capacity = FIRST_SLOTS;
  let columns = createColumns(capacity);
  const errors: (string | null)[] = [];
  const shared = createSharedTexts();
  const slots = new Map<number, number>();
  /** Free slots that were used before. */
  const free: number[] = [];
  const heap = createDueHeap(capacity);
  const unsaved = new Set<number>();
  let stays = 0;

  const freeSlot = (): number => {
    const slot = free.pop() ?? slots.size;
    if (slot < capacity) return slot;
    capacity = Math.ceil(capacity * GROWTH);
    columns = grownColumns(columns, capacity);
    heap.grow(capacity);
    return slot;
  };

  const rowAt = (slot: number) => readLane(columns, slot, errors[slot] ?? null);

  const wakeAt = (slot: number): Lane => {
    const row = rowAt(slot);
    const mayHaveRow = ((columns.flags[slot] ?? 0) & FLAG_MAY_HAVE_ROW) > 0;
    const isStored = !unsaved.delete(slot);
    heap.remove(slot);
    slots.delete(row.subject);
    columns.stay[slot] = 0;
    errors[slot] = null;
    free.push(slot);
    return detachedLane(row, { isStored, mayHaveRow });
  };

  return {
    size: () => slots.size,
    has: (subject) => slots.has(subject),
    add(lane) {
      const slot = freeSlot();
      stays += 1;
      writeLane(columns, slot, lane, stays);
      errors[slot] = shared(lane.error);
      slots.set(lane.subject, slot);
      heap.add(slot, lane.due ?? Number.POSITIVE_INFINITY);
      if (lane.changes !== lane.kept) unsaved.add(slot);
    },
    wake(subject) {
      const slot = slots.get(subject);
      return slot === undefined ? null : wakeAt(slot);
    },
    nextDue(now) {
      const slot = heap.soonest() <= now ? heap.first() : null;
      return slot === null ? null : wakeAt(slot);
    },
    soonest: () => heap.soonest(),
    unsaved() {
      const sent = Array.from(unsaved, (slot) => ({ slot, stay: columns.stay[slot] ?? 0 }));
      // A write with an unknown outcome may have stored them.
      for (const { slot } of sent) columns.flags[slot] = (columns.flags[slot] ?? 0) | FLAG_MAY_HAVE_ROW;
      return {
        rows: sent.map(({ slot }) => rowAt(slot)),
        acknowledge() {
          for (const { slot, stay } of sent) if (columns.stay[slot] === stay) unsaved.delete(slot);
        },
      };
    },
  };
}
