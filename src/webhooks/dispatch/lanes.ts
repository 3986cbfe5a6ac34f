import {
  isCaughtUp,
  type Lane,
  newLane,
  replacePending,
  type Reread,
  rowOf,
  detach,
  storedLane,
} from "./lane.ts";
import { createRestingLanes } from "./resting-lanes.ts";
import type { DeliveryEvent } from "./source.ts";
import type { StoredLane } from "../subscriptions/subscription.ts";
import { createFifoQueue } from "./fifo-queue.ts";

/** Most pending events of one subject; a lane with more is detached. */
const PENDING_MOST = 64;

/** Most failed lanes that are awake, though more of them may be due. */
const RETRIES_AWAKE = 1_024;

/**
 * `fresh`: lanes without a failure since their last success; `retry`: lanes that are retried. The two never wait for
 * each other.
 */
export type AttemptKind = "fresh" | "retry";

/** Rows to store, and the function to call when they are. */
export interface LaneRows {
  readonly upserts: readonly StoredLane[];
  readonly deletes: readonly number[];
  /** Call it when the write is acknowledged, and never before: until then the rows count as not stored. */
  acknowledge(now: number): void;
}

/**
 * The lanes of a subscription, and their queues: `ready` ones have an event to send, `unloaded` ones must read theirs
 * first, and resting ones wait for a time. It has no clock, and starts no work.
 *
 * A resting lane is a row of numbers (`resting-lanes.ts`), which the work of other lanes never visits.
 */
export interface Lanes {
  /** Buffered events of all lanes. */
  pending(): readonly DeliveryEvent[];
  /** Counts the buffered events. Visits each lane that does not rest. */
  atHand(): { readonly events: number; readonly characters: number };
  /** Number of lanes of a kind that are ready or unloaded. */
  waiting(kind: AttemptKind): number;
  /** Number of lanes of a kind that have an event to send. */
  ready(kind: AttemptKind): number;
  /** Number of lanes that wait for a time, or for an operator: nearly all blocked ones. */
  resting(): number;
  has(subject: number): boolean;
  /** Finds the lane of a subject, and wakes it if it rests: the caller places it afterwards. */
  wake(subject: number): Lane | null;
  /** Adds stored lanes. */
  restore(rows: readonly StoredLane[], now: number): void;
  /** Replaces all buffered events by the remaining ones. */
  replace(reread: Reread, now: number): void;
  /** Adds an event from the shared read. */
  take(event: DeliveryEvent, now: number): void;
  /** Creates a detached lane; the subject must not have one. */
  addDetached(subject: number, next: number): Lane;
  /** Puts a lane into its queue, to rest, or away, after it changed. */
  place(lane: Lane, now: number): void;
  /** Records the position of an acknowledged event of an attached lane. */
  recordAcknowledged(position: number): void;
  /**
   * Call it before the last snapshot. It detaches lanes that wait before an acknowledged event: their rows then state
   * their versions, so that they do not hold back the cursor, and acknowledged events are not repeated.
   */
  detachLagging(): void;
  /** The next lane of a kind that can send. */
  nextReady(kind: AttemptKind): Lane | null;
  nextUnloaded(kind: AttemptKind): Lane | null;
  /**
   * Wakes lanes that are due, as many as there is room for. Returns when the next one is due; infinity when none is, or
   * when the room is used up: then there are lanes to send.
   */
  due(now: number): number;
  /** The position up to which every event, of those up to the frontier, is acknowledged or covered by a row. */
  lowWater(frontier: number): number;
  /** The rows that differ from the stored ones, for a cursor at the low-water mark. */
  rows(lowWater: number): LaneRows;
}

const kindOf = ({ attempts }: Lane): AttemptKind => (attempts > 0 ? "retry" : "fresh");

const createQueues = () => ({ fresh: createFifoQueue<Lane>(), retry: createFifoQueue<Lane>() });

export function createLanes(): Lanes {
  const active = new Map<number, Lane>();
  const resting = createRestingLanes();
  const ready = createQueues();
  const unloaded = createQueues();
  let lastAcknowledged = 0;
  /** Subjects without a lane that may have a row. */
  const gone = new Set<number>();

  const waiting = (kind: AttemptKind) => ready[kind].size() + unloaded[kind].size();

  const queue = (lane: Lane) => {
    lane.queued = true;
    (lane.pending.length > 0 ? ready : unloaded)[kindOf(lane)].push(lane);
  };

  const next = (queues: ReturnType<typeof createQueues>, kind: AttemptKind) => {
    const lane = queues[kind].shift();
    if (lane !== null) lane.queued = false;
    return lane;
  };

  const rest = (lane: Lane) => {
    active.delete(lane.subject);
    resting.add(lane);
  };

  const place = (lane: Lane, now: number) => {
    // An object of a lane that went to rest, or ended, no longer represents it.
    if (active.get(lane.subject) !== lane) return;
    if (lane.sending || lane.loading || lane.queued || lane.freezing) return;
    if (isCaughtUp(lane)) {
      if (lane.ahead) return;
      active.delete(lane.subject);
      if (lane.mayHaveRow) gone.add(lane.subject);
    } else if (lane.due === null || lane.due > now) {
      rest(lane);
    } else {
      queue(lane);
    }
  };

  const add = (lane: Lane) => {
    lane.mayHaveRow = gone.delete(lane.subject);
    active.set(lane.subject, lane);
    return lane;
  };

  const wake = (subject: number): Lane | null => {
    const found = active.get(subject);
    if (found !== undefined) return found;
    const lane = resting.wake(subject);
    if (lane !== null) active.set(subject, lane);
    return lane;
  };

  /** Whether a lane needs a row when the cursor is at the low-water mark. */
  const isBehind = ({ detached, pendingRewind, sending, pending: [event] }: Lane, lowWater: number) =>
    detached || pendingRewind !== null || (sending && event !== undefined && event.position <= lowWater);

  return {
    pending: () => Array.from(active.values(), ({ pending }) => pending).flat(),
    atHand() {
      let [events, characters] = [0, 0];
      for (const { pending } of active.values()) {
        events += pending.length;
        for (const { text } of pending) characters += text.length;
      }
      return { events, characters };
    },
    waiting,
    ready: (kind) => ready[kind].size(),
    resting: () => resting.size(),
    has: (subject) => active.has(subject) || resting.has(subject),
    wake,
    restore(rows, now) {
      for (const row of rows) {
        const lane = storedLane(row, now);
        active.set(lane.subject, lane);
        // All of them may be due, and there may be very many.
        if (kindOf(lane) === "retry") rest(lane);
        else place(lane, now);
      }
    },
    replace(reread, now) {
      for (const lane of Array.from(active.values())) {
        if (lane.pending.length === 0) continue;
        replacePending(lane, reread);
        place(lane, now);
      }
    },
    take(event, now) {
      // A resting lane reads its own events when it wakes, up to the shared read.
      if (resting.has(event.subject)) return;
      const lane = active.get(event.subject);
      if (lane === undefined) {
        const fresh = add(newLane(event.subject, event.version));
        fresh.pending.push(event);
        queue(fresh);
        return;
      }
      if (!lane.detached && lane.pending.length < PENDING_MOST) lane.pending.push(event);
      else {
        if (!lane.detached) detach(lane);
        lane.seen = event.position;
      }
      place(lane, now);
    },
    addDetached(subject, version) {
      const lane = add(newLane(subject, version));
      detach(lane);
      return lane;
    },
    place,
    recordAcknowledged(position) {
      lastAcknowledged = Math.max(lastAcknowledged, position);
    },
    detachLagging() {
      for (const lane of active.values()) {
        const [event] = lane.pending;
        if (lane.detached || lane.sending || event === undefined) continue;
        if (event.position < lastAcknowledged) detach(lane);
      }
    },
    nextReady: (kind) => next(ready, kind),
    nextUnloaded: (kind) => next(unloaded, kind),
    due(now) {
      while (waiting("retry") < RETRIES_AWAKE) {
        const lane = resting.nextDue(now);
        if (lane === null) break;
        active.set(lane.subject, lane);
        place(lane, now);
      }
      const soonest = resting.soonest();
      return soonest > now ? soonest : Number.POSITIVE_INFINITY;
    },
    lowWater(frontier) {
      let lowWater = frontier;
      for (const { detached, sending, pending } of active.values()) {
        const [event] = pending;
        if (!detached && !sending && event !== undefined) lowWater = Math.min(lowWater, event.position - 1);
      }
      return lowWater;
    },
    rows(lowWater) {
      const unsaved = resting.unsaved();
      const upserts = [...unsaved.rows];
      const sent: { readonly lane: Lane; readonly changes: number }[] = [];
      const deletes = new Set(gone);
      for (const lane of active.values()) {
        if (isBehind(lane, lowWater)) {
          if (lane.changes === lane.kept) continue;
          lane.mayHaveRow = true;
          sent.push({ lane, changes: lane.changes });
          upserts.push(rowOf(lane));
        } else if (lane.mayHaveRow) {
          deletes.add(lane.subject);
          // Even if the deletion fails: a row that is needed again must be written.
          lane.kept = -1;
        }
      }
      return {
        upserts,
        deletes: [...deletes],
        acknowledge(now) {
          for (const subject of deletes) {
            gone.delete(subject);
            const lane = active.get(subject);
            if (lane !== undefined && lane.kept === -1) lane.mayHaveRow = false;
          }
          unsaved.acknowledge();
          for (const { lane, changes } of sent) {
            // A lane that rests by now is another object when it wakes, and its row is written again.
            lane.kept = changes;
            if (lane.changes !== changes || !lane.freezing) continue;
            lane.freezing = false;
            place(lane, now);
          }
        },
      };
    },
  };
}
