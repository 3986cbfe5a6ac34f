import { detach, type Lane, replacePending, type Reread, storedLane } from "./lane.ts";
import { changedRows, type LaneRows, lowWaterOf } from "./lane-rows.ts";
import {
  addEvent,
  addLane,
  type AttemptKind,
  attemptKindOf,
  countQueued,
  createLaneTable,
  dequeueLane,
  placeLane,
  restLane,
  wakeLane,
} from "./lane-table.ts";
import type { DeliveryEvent } from "./source.ts";
import type { StoredLane } from "../subscriptions/subscription.ts";

/** Most failed lanes that are awake, though more of them may be due. */
const RETRIES_AWAKE = 1_024;

/**
 * The lanes of a subscription, and their queues: `ready` ones have an event to send, `unloaded` ones must read theirs
 * first, and resting ones wait for a time. They have no clock, and start no work.
 *
 * A resting lane is a row of numbers (`resting-lanes.ts`), which the work of other lanes never visits.
 */
export interface Lanes {
  /** Buffered events of all lanes. */
  pending(): readonly DeliveryEvent[];
  /** Counts the buffered events. Visits each lane that does not rest. */
  buffered(): { readonly events: number; readonly characters: number };
  /** Number of lanes of a kind that are ready or unloaded. */
  queued(kind: AttemptKind): number;
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
  addEvent(event: DeliveryEvent, now: number): void;
  /** Creates a detached lane; the subject must not have one. */
  addDetached(subject: number, next: number): Lane;
  /** Queues a lane, lets it rest, or removes it, after it changed. */
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
  wakeDue(now: number): number;
  /** The position up to which every event, of those up to the frontier, is acknowledged or covered by a row. */
  lowWater(frontier: number): number;
  /** The rows that differ from the stored ones, for a cursor at the low-water mark. */
  rows(lowWater: number): LaneRows;
}

export function createLanes(): Lanes {
  const table = createLaneTable();
  const { active, resting, ready, unloaded } = table;
  return {
    pending: () => Array.from(active.values(), ({ pending }) => pending).flat(),
    buffered() {
      let [events, characters] = [0, 0];
      for (const { pending } of active.values()) {
        events += pending.length;
        for (const { text } of pending) characters += text.length;
      }
      return { events, characters };
    },
    queued: (kind) => countQueued(table, kind),
    ready: (kind) => ready[kind].size(),
    resting: () => resting.size(),
    has: (subject) => active.has(subject) || resting.has(subject),
    wake: (subject) => wakeLane(table, subject),
    restore(rows, now) {
      for (const row of rows) {
        const lane = storedLane(row, now);
        active.set(lane.subject, lane);
        // All of them may be due, and there may be very many.
        if (attemptKindOf(lane) === "retry") restLane(table, lane);
        else placeLane(table, lane, now);
      }
    },
    replace(reread, now) {
      for (const lane of Array.from(active.values())) {
        if (lane.pending.length === 0) continue;
        replacePending(lane, reread);
        placeLane(table, lane, now);
      }
    },
    addEvent: (event, now) => addEvent(table, event, now),
    addDetached(subject, version) {
      const lane = addLane(table, subject, version);
      detach(lane);
      return lane;
    },
    place: (lane, now) => placeLane(table, lane, now),
    recordAcknowledged(position) {
      table.lastAcknowledged = Math.max(table.lastAcknowledged, position);
    },
    detachLagging() {
      for (const lane of active.values()) {
        const [event] = lane.pending;
        if (lane.detached || lane.sending || event === undefined) continue;
        if (event.position < table.lastAcknowledged) detach(lane);
      }
    },
    nextReady: (kind) => dequeueLane(ready, kind),
    nextUnloaded: (kind) => dequeueLane(unloaded, kind),
    wakeDue(now) {
      while (countQueued(table, "retry") < RETRIES_AWAKE) {
        const lane = resting.nextDue(now);
        if (lane === null) break;
        active.set(lane.subject, lane);
        placeLane(table, lane, now);
      }
      const soonest = resting.soonest();
      return soonest > now ? soonest : Number.POSITIVE_INFINITY;
    },
    lowWater: (frontier) => lowWaterOf(table, frontier),
    rows: (lowWater) => changedRows(table, lowWater),
  };
}
