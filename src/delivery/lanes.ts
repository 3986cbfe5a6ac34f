import {
  isThrough,
  type Lane,
  newLane,
  replacePending,
  type Reread,
  rowOf,
  standApart,
  storedLane,
} from "./lane.ts";
import type { DeliveryEvent } from "./source.ts";
import type { StoredLane } from "./subscription.ts";

/** Events of one subject that wait at most; one with more reads the log by itself. */
const PENDING_MOST = 64;

/**
 * The lanes of a subscription, and whose turn it is: `ready` ones have an event to send, `hungry` ones have to read
 * theirs first. It knows nothing of time beyond what it is told, and does nothing by itself.
 */
export interface Lanes {
  readonly all: ReadonlyMap<number, Lane>;
  /** What is in memory. Looks at each lane. */
  atHand(): { readonly events: number; readonly characters: number };
  /** Lanes that are ready, or are to load. */
  waiting(): number;
  /** Lanes that fail. */
  blocked(): number;
  find(subject: number): Lane | null;
  /** Replaces all events at hand by what is left of them. */
  replace(reread: Reread, now: number): void;
  /** Takes in an event that the pass came by. */
  take(event: DeliveryEvent): void;
  /** Makes a lane that stands apart; there must be none for the subject. */
  addApart(subject: number, next: number): Lane;
  /** Puts a lane where it belongs after anything about it changed. */
  place(lane: Lane, now: number): void;
  /** Puts a lane that was to be sent before all others. */
  first(lane: Lane): void;
  /** The next lane that can send; of those that never failed, if asked. */
  nextReady(freshOnly: boolean): Lane | null;
  nextHungry(): Lane | null;
  /** Finds the lanes that are due. Gives when the next one is; infinity: none is. */
  due(now: number): number;
  /**
   * What is to be stored; from then on it counts as stored. `upTo`: everything up to there, of what the pass came by up
   * to the frontier, is acknowledged or stands in a row.
   */
  snapshot(frontier: number): {
    readonly upTo: number;
    readonly upserts: readonly StoredLane[];
    readonly deletes: readonly number[];
    /** Lanes whose batch may be sent when this is stored. */
    readonly frozen: readonly Lane[];
  };
}

export function createLanes(stored: readonly StoredLane[], startMs: number): Lanes {
  const all = new Map<number, Lane>(stored.map((row) => [row.subject, storedLane(row, startMs)]));
  let ready: Lane[] = [];
  let readyAt = 0;
  const hungry: Lane[] = [];
  const gone = new Set<number>();
  /** No lane that waits for a time is due before. */
  let soonest = Number.POSITIVE_INFINITY;

  const push = (lane: Lane) => {
    lane.queued = true;
    ready.push(lane);
  };

  const remove = (lane: Lane) => {
    all.delete(lane.subject);
    if (lane.stored) gone.add(lane.subject);
  };

  const place = (lane: Lane, now: number) => {
    if (lane.sending || lane.loading || lane.queued || lane.freezing) return;
    if (isThrough(lane)) {
      if (!lane.ahead) remove(lane);
      return;
    }
    if (lane.due === null) return;
    if (lane.due > now) {
      soonest = Math.min(soonest, lane.due);
      return;
    }
    if (lane.pending.length > 0) push(lane);
    else {
      lane.queued = true;
      hungry.push(lane);
    }
  };

  const compact = () => {
    if (readyAt < 1_024 || readyAt * 2 < ready.length) return;
    ready = ready.slice(readyAt);
    readyAt = 0;
  };

  return {
    all,
    atHand() {
      let [events, characters] = [0, 0];
      for (const { pending } of all.values()) {
        events += pending.length;
        for (const { text } of pending) characters += text.length;
      }
      return { events, characters };
    },
    waiting: () => ready.length - readyAt + hungry.length,
    blocked() {
      let blocked = 0;
      for (const { attempts } of all.values()) if (attempts > 0) blocked += 1;
      return blocked;
    },
    find: (subject) => all.get(subject) ?? null,
    replace(reread, now) {
      for (const lane of Array.from(all.values())) {
        if (lane.pending.length === 0) continue;
        replacePending(lane, reread);
        place(lane, now);
      }
    },
    take(event) {
      const lane = all.get(event.subject);
      if (lane === undefined) {
        const fresh = newLane(event.subject, event.version);
        fresh.pending.push(event);
        fresh.stored = gone.delete(event.subject);
        all.set(event.subject, fresh);
        push(fresh);
      } else if (lane.apart) {
        lane.seen = event.position;
      } else if (lane.pending.length < PENDING_MOST) {
        lane.pending.push(event);
      } else {
        standApart(lane);
        lane.seen = event.position;
      }
    },
    addApart(subject, next) {
      const lane = newLane(subject, next);
      standApart(lane);
      lane.stored = gone.delete(subject);
      all.set(subject, lane);
      return lane;
    },
    place,
    first(lane) {
      lane.queued = true;
      ready.splice(0, readyAt, lane);
      readyAt = 0;
    },
    nextReady(freshOnly) {
      if (freshOnly) {
        const found = ready.findIndex((lane, index) => index >= readyAt && lane.attempts === 0);
        if (found < 0) return null;
        const [lane] = ready.splice(found, 1);
        if (lane !== undefined) lane.queued = false;
        return lane ?? null;
      }
      const lane = ready[readyAt];
      if (lane === undefined) return null;
      readyAt += 1;
      compact();
      lane.queued = false;
      return lane;
    },
    nextHungry() {
      const lane = hungry.shift() ?? null;
      if (lane !== null) lane.queued = false;
      return lane;
    },
    due(now) {
      if (soonest > now) return soonest;
      soonest = Number.POSITIVE_INFINITY;
      for (const lane of all.values()) if (lane.apart) place(lane, now);
      return soonest;
    },
    snapshot(frontier) {
      let upTo = frontier;
      for (const { apart, sending, pending: waiting } of all.values()) {
        const [event] = waiting;
        if (!apart && !sending && event !== undefined) upTo = Math.min(upTo, event.position - 1);
      }
      const upserts: StoredLane[] = [];
      const frozen: Lane[] = [];
      const deletes = new Set(gone);
      gone.clear();
      for (const lane of all.values()) {
        const [event] = lane.pending;
        const isBehind =
          lane.apart || lane.back !== null || (lane.sending && event !== undefined && event.position <= upTo);
        if (lane.freezing) frozen.push(lane);
        if (isBehind && (lane.dirty || !lane.stored)) {
          upserts.push(rowOf(lane));
          lane.stored = true;
        } else if (!isBehind && lane.stored) {
          deletes.add(lane.subject);
          lane.stored = false;
        }
        lane.dirty = false;
      }
      return { upTo, upserts, deletes: [...deletes], frozen };
    },
  };
}
