import { RETRY_LAST_MS } from "../endpoint/endpoint.ts";
import type { DeliveryEvent } from "./source.ts";
import type { StoredLane } from "../subscriptions/subscription.ts";

/**
 * One subject on its way to one endpoint: its events are delivered one after the other, whatever the others do.
 *
 * A lane is _in step_ while it is fed by the pass, which reads the log once for all subjects. It stands _apart_ when it
 * is behind the pass: it is blocked, is redelivered, or has too much waiting. Then it reads its own events, from
 * `next`, until it is where the pass is.
 */
export interface Lane {
  readonly subject: number;
  /** Events at hand, in order; the first is the next to be acknowledged. */
  pending: DeliveryEvent[];
  /** The first version that is not acknowledged. */
  next: number;
  apart: boolean;
  /** A request with its first events is under way. */
  sending: boolean;
  loading: boolean;
  /** It waits for its turn, to send or to load. */
  queued: boolean;
  /** Apart: position of the last event that the pass came by, and up to which its own were read; -1: unknown. */
  seen: number;
  readTo: number;
  /** Where a redelivery of a range ends, and the version to go on from then. */
  stop: number | null;
  resume: number | null;
  /** Last version of the batch whose bytes must not change, and whether that is stored. */
  frozen: number | null;
  freezing: boolean;
  attempts: number;
  /** When it is to be tried, in milliseconds since 1970; null: not by itself. */
  due: number | null;
  /** How long that was when it was set; null: at once. */
  wait: number | null;
  error: string | null;
  since: string | null;
  /** It is redelivered before the rewind comes by it, and stays until then. */
  ahead: boolean;
  /** To be sent back when what is under way is settled. */
  back: Backwards | null;
  /** Number of changes of what its row holds, and the number that the row is known to hold; -1: no row is known. */
  changes: number;
  kept: number;
  /** Whether there may be a row: a write of one was sent, and no deletion was acknowledged since. */
  mayHaveRow: boolean;
}

/** Gives, for events at hand, what is left of them after others were erased or truncated. */
export type Reread = (events: readonly DeliveryEvent[]) => DeliveryEvent[];

/** A way back: from a version up to another (null: up to where the pass is). */
export interface Backwards {
  readonly next: number;
  readonly stop: number | null;
  readonly ahead: boolean;
}

export function newLane(subject: number, next: number): Lane {
  return {
    subject,
    pending: [],
    next,
    apart: false,
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
    back: null,
    changes: 0,
    kept: -1,
    mayHaveRow: false,
  };
}

/** When a stored lane is due: now, if that is further ahead than its wait, since the clock was ahead when it was stored. */
function dueOf({ due, wait }: StoredLane, now: number): number | null {
  return due !== null && due > now + (wait ?? RETRY_LAST_MS) ? now : due;
}

/** A lane with what a row holds. `isStored`: the database has the row. */
export function apartLane(
  row: StoredLane,
  { isStored, mayHaveRow }: { readonly isStored: boolean; readonly mayHaveRow: boolean },
): Lane {
  return { ...newLane(row.subject, row.next), ...row, apart: true, kept: isStored ? 0 : -1, mayHaveRow };
}

export function storedLane(row: StoredLane, now: number): Lane {
  return apartLane({ ...row, due: dueOf(row, now) }, { isStored: true, mayHaveRow: true });
}

/** Whether a lane delivers all of a way back anyway. */
export function covers(lane: Lane, { next, stop }: Pick<Backwards, "next" | "stop">): boolean {
  if (lane.next > next) return false;
  return lane.stop === null || (stop !== null && lane.stop >= stop);
}

/** What a lane that is sent back delivers: the way back, and all that it had to deliver before. */
function wayOf(lane: Lane, { next, stop, ahead }: Backwards) {
  const from = Math.min(lane.next, next);
  const whole = { next: from, stop: null, resume: null };
  const isWhole = stop === null || (lane.stop === null && lane.next <= next);
  const end = Math.max(stop ?? 0, lane.stop ?? 0);
  const continued = (lane.stop === null ? null : lane.resume) ?? lane.next;
  const range = isWhole ? whole : { next: from, stop: end, resume: Math.max(end + 1, continued) };
  return { ...range, ahead, frozen: null, ...HEALTHY };
}

/** Two ways back that wait for the same request. */
function both(a: Backwards | null, b: Backwards): Backwards {
  if (a === null) return b;
  const stop = a.stop === null || b.stop === null ? null : Math.max(a.stop, b.stop);
  return { next: Math.min(a.next, b.next), stop, ahead: a.ahead || b.ahead };
}

const HEALTHY = { attempts: 0, due: 0, wait: null, error: null, since: null } as const;

/** What is stored of it; of one that is to be sent back, that it is. */
export function rowOf(lane: Lane): StoredLane {
  const { subject, next, stop, resume, frozen, attempts, due, wait, error, since, ahead, back } = lane;
  const row = { subject, next, stop, resume, frozen, attempts, due, wait, error, since, ahead };
  return back === null ? row : { ...row, ...wayOf(lane, back) };
}

/** Lets it read its own events from now on, beginning with those it has not acknowledged. */
export function detach(lane: Lane): void {
  if (!lane.apart) lane.seen = Math.max(lane.seen, lane.pending.at(-1)?.position ?? 0);
  lane.apart = true;
  lane.readTo = -1;
  lane.changes += 1;
}

/** Sends it back, now or when what is under way is settled. */
export function sendBack(lane: Lane, back: Backwards): void {
  if (lane.sending) {
    lane.back = both(lane.back, back);
    lane.changes += 1;
    return;
  }
  detach(lane);
  Object.assign(lane, wayOf(lane, back));
  lane.pending = [];
  lane.freezing = false;
  lane.back = null;
}

/** Sees to it that it comes by a version that turned out not to be acknowledged. */
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

/** Notes that everything up to a version is acknowledged. */
export function acknowledge(lane: Lane, version: number): void {
  // Not by their number: some may have been erased while they were under way.
  lane.pending = lane.pending.filter((event) => event.version > version);
  lane.next = version + 1;
  lane.frozen = null;
  lane.freezing = false;
  Object.assign(lane, HEALTHY);
  if (lane.stop !== null && lane.next > lane.stop) goOn(lane);
  lane.changes += 1;
}

/** Replaces events at hand by what was read of them again; those that were removed are not in it. */
export function replacePending(lane: Lane, reread: Reread): void {
  lane.pending = reread(lane.pending);
  if (lane.pending.length > 0 || lane.frozen === null) return;
  lane.frozen = null;
  lane.freezing = false;
  lane.changes += 1;
}

/** Leaves the range that was redelivered. */
export function goOn(lane: Lane): void {
  lane.changes += 1;
  lane.next = lane.resume ?? lane.next;
  lane.stop = null;
  lane.resume = null;
  lane.pending = [];
  lane.readTo = -1;
}

/** Whether everything that the pass came by is acknowledged. */
export function isThrough(lane: Lane): boolean {
  if (lane.pending.length > 0 || lane.stop !== null) return false;
  return !lane.apart || lane.readTo >= lane.seen;
}
