import { RETRY_LAST_MS } from "../endpoint/endpoint.ts";
import type { DeliveryEvent } from "./source.ts";
import type { StoredLane } from "../subscriptions/subscription.ts";

/**
 * The delivery of one subject to one endpoint: its events are delivered in order, independent of other subjects.
 *
 * A lane is _attached_ while the shared read, which reads the log once for all subjects, supplies its events. It is
 * _detached_ while it is behind the shared read: it is blocked, is redelivered, or has too many pending events. Then it
 * reads its own events, from `next`, until it catches up.
 */
export interface Lane {
  readonly subject: number;
  /** Buffered events, in order; the first is the next to be acknowledged. */
  pending: DeliveryEvent[];
  /** The first version that is not acknowledged. */
  next: number;
  detached: boolean;
  /** A request with its first events is in flight. */
  sending: boolean;
  loading: boolean;
  /** It is queued to send or to load. */
  queued: boolean;
  /** Detached: position of its last event in the shared read, and position up to which it has read; -1: unknown. */
  seen: number;
  readTo: number;
  /** Last version of a redelivered range, and the version to continue with after it. */
  stop: number | null;
  resume: number | null;
  /** Last version of the batch whose bytes must not change, and whether it must still be stored. */
  frozen: number | null;
  freezing: boolean;
  attempts: number;
  /** When the next attempt is due, in milliseconds since 1970; null: only on request. */
  due: number | null;
  /** The wait until `due` when it was set, in milliseconds; null: none. */
  wait: number | null;
  error: string | null;
  since: string | null;
  /** It is redelivered before the rewind reaches it, and stays until then. */
  ahead: boolean;
  /** A rewind that starts when the request in flight is settled. */
  pendingRewind: LaneRewind | null;
  /** Number of changes to the content of its row, and the number at its last save; -1: no row is known. */
  changes: number;
  kept: number;
  /** Whether a row may exist: a write of one was sent, and no deletion was acknowledged since. */
  mayHaveRow: boolean;
}

/** Maps buffered events to the remaining ones after some were erased or truncated. */
export type Reread = (events: readonly DeliveryEvent[]) => DeliveryEvent[];

/** A range of versions to redeliver, up to `stop` (null: up to the shared read). */
export interface LaneRewind {
  readonly next: number;
  readonly stop: number | null;
  readonly ahead: boolean;
}

export function newLane(subject: number, next: number): Lane {
  return {
    subject,
    pending: [],
    next,
    detached: false,
    sending: false,
    loading: false,
    queued: false,
    seen: 0,
    readTo: -1,
    stop: null,
    resume: null,
    frozen: null,
    freezing: false,
    attempts: 0,
    due: 0,
    wait: null,
    error: null,
    since: null,
    ahead: false,
    pendingRewind: null,
    changes: 0,
    kept: -1,
    mayHaveRow: false,
  };
}

/**
 * When a stored lane is due. A time beyond its wait means that the clock was ahead when it was stored: then it is due
 * now.
 */
function dueOf({ due, wait }: StoredLane, now: number): number | null {
  return due !== null && due > now + (wait ?? RETRY_LAST_MS) ? now : due;
}

/** Creates a lane from a row. `isStored`: the database has the row. */
export function detachedLane(
  row: StoredLane,
  { isStored, mayHaveRow }: { readonly isStored: boolean; readonly mayHaveRow: boolean },
): Lane {
  return { ...newLane(row.subject, row.next), ...row, detached: true, kept: isStored ? 0 : -1, mayHaveRow };
}

export function storedLane(row: StoredLane, now: number): Lane {
  return detachedLane({ ...row, due: dueOf(row, now) }, { isStored: true, mayHaveRow: true });
}

/** Whether a lane delivers all of a range anyway. */
export function coversRange(lane: Lane, { next, stop }: Pick<LaneRewind, "next" | "stop">): boolean {
  if (lane.next > next) return false;
  return lane.stop === null || (stop !== null && lane.stop >= stop);
}

/** The state of a rewound lane: it delivers the range, and everything that it had to deliver before. */
function afterRewind(lane: Lane, { next, stop, ahead }: LaneRewind) {
  const from = Math.min(lane.next, next);
  const whole = { next: from, stop: null, resume: null };
  const isWhole = stop === null || (lane.stop === null && lane.next <= next);
  const end = Math.max(stop ?? 0, lane.stop ?? 0);
  const continued = (lane.stop === null ? null : lane.resume) ?? lane.next;
  const range = isWhole ? whole : { next: from, stop: end, resume: Math.max(end + 1, continued) };
  return { ...range, ahead, frozen: null, ...HEALTHY };
}

/** Merges two rewinds that wait for the same request. */
function mergeRewinds(a: LaneRewind | null, b: LaneRewind): LaneRewind {
  if (a === null) return b;
  const stop = a.stop === null || b.stop === null ? null : Math.max(a.stop, b.stop);
  return { next: Math.min(a.next, b.next), stop, ahead: a.ahead || b.ahead };
}

const HEALTHY = { attempts: 0, due: 0, wait: null, error: null, since: null } as const;

/** The row to store; with a pending rewind, the row after it. */
export function rowOf(lane: Lane): StoredLane {
  const { subject, next, stop, resume, frozen, attempts, due, wait, error, since, ahead, pendingRewind } =
    lane;
  const row = { subject, next, stop, resume, frozen, attempts, due, wait, error, since, ahead };
  return pendingRewind === null ? row : { ...row, ...afterRewind(lane, pendingRewind) };
}

/** Makes it read its own events from now on, starting with the first that is not acknowledged. */
export function detach(lane: Lane): void {
  if (!lane.detached) lane.seen = Math.max(lane.seen, lane.pending.at(-1)?.position ?? 0);
  lane.detached = true;
  lane.readTo = -1;
  lane.changes += 1;
}

/** Rewinds it, now or when the request in flight is settled. */
export function rewindLane(lane: Lane, rewind: LaneRewind): void {
  if (lane.sending) {
    lane.pendingRewind = mergeRewinds(lane.pendingRewind, rewind);
    lane.changes += 1;
    return;
  }
  detach(lane);
  Object.assign(lane, afterRewind(lane, rewind));
  lane.pending = [];
  lane.freezing = false;
  lane.pendingRewind = null;
}

/** Makes it deliver a version that turned out not to be acknowledged. */
export function include(lane: Lane, version: number): void {
  detach(lane);
  if (version < lane.next) {
    lane.next = version;
    lane.pending = [];
    lane.stop = null;
    lane.resume = null;
    lane.frozen = null;
  } else if (lane.stop !== null) {
    lane.resume = Math.min(lane.resume ?? version, version);
  }
}

/** Records that every event up to a version is acknowledged. */
export function acknowledge(lane: Lane, version: number): void {
  // Not by their number: some may have been erased while they were in flight.
  lane.pending = lane.pending.filter((event) => event.version > version);
  lane.next = version + 1;
  lane.frozen = null;
  lane.freezing = false;
  Object.assign(lane, HEALTHY);
  if (lane.stop !== null && lane.next > lane.stop) endRange(lane);
  lane.changes += 1;
}

/** Replaces buffered events by the remaining ones. */
export function replacePending(lane: Lane, reread: Reread): void {
  lane.pending = reread(lane.pending);
  if (lane.pending.length > 0 || lane.frozen === null) return;
  lane.frozen = null;
  lane.freezing = false;
  lane.changes += 1;
}

/** Ends the redelivery of a range. */
export function endRange(lane: Lane): void {
  lane.changes += 1;
  lane.next = lane.resume ?? lane.next;
  lane.stop = null;
  lane.resume = null;
  lane.pending = [];
  lane.readTo = -1;
}

/** Whether every event that the shared read reached is acknowledged. */
export function isCaughtUp(lane: Lane): boolean {
  if (lane.pending.length > 0 || lane.stop !== null) return false;
  return !lane.detached || lane.readTo >= lane.seen;
}
