import { createFifoQueue, type FifoQueue } from "./fifo-queue.ts";
import { detach, isCaughtUp, type Lane, newLane } from "./lane.ts";
import { createRestingLanes, type RestingLanes } from "./resting-lanes.ts";
import type { DeliveryEvent } from "./source.ts";

/** Most pending events of one subject; a lane with more is detached. */
const PENDING_MOST = 64;

/**
 * `fresh`: lanes without a failure since their last success; `retry`: lanes that are retried. The two never wait for
 * each other.
 */
export type AttemptKind = "fresh" | "retry";

type Queues = Readonly<Record<AttemptKind, FifoQueue<Lane>>>;

/** The state of a subscription's lanes. A lane that is neither active nor resting has nothing to deliver. */
export interface LaneTable {
  /** Lanes that are objects, by subject: queued, or with a request or a read in flight. */
  readonly active: Map<number, Lane>;
  readonly resting: RestingLanes;
  /** Lanes with an event to send, and lanes that must read theirs first. */
  readonly ready: Queues;
  readonly unloaded: Queues;
  /** Subjects without a lane that may have a row. */
  readonly gone: Set<number>;
  /** Position of the last acknowledged event of an attached lane. */
  lastAcknowledged: number;
}

const createQueues = (): Queues => ({ fresh: createFifoQueue(), retry: createFifoQueue() });

export function createLaneTable(): LaneTable {
  return {
    active: new Map(),
    resting: createRestingLanes(),
    ready: createQueues(),
    unloaded: createQueues(),
    gone: new Set(),
    lastAcknowledged: 0,
  };
}

export function attemptKindOf({ attempts }: Lane): AttemptKind {
  return attempts > 0 ? "retry" : "fresh";
}

/** Number of lanes of a kind that are ready or unloaded. */
export function countQueued({ ready, unloaded }: LaneTable, kind: AttemptKind): number {
  return ready[kind].size() + unloaded[kind].size();
}

function queueLane({ ready, unloaded }: LaneTable, lane: Lane): void {
  lane.queued = true;
  (lane.pending.length > 0 ? ready : unloaded)[attemptKindOf(lane)].push(lane);
}

/** Removes the first lane of a queue. */
export function dequeueLane(queues: Queues, kind: AttemptKind): Lane | null {
  const lane = queues[kind].shift();
  if (lane !== null) lane.queued = false;
  return lane;
}

export function restLane({ active, resting }: LaneTable, lane: Lane): void {
  active.delete(lane.subject);
  resting.add(lane);
}

/** Puts a lane into its queue, to rest, or away, after it changed. */
export function placeLane(table: LaneTable, lane: Lane, now: number): void {
  const { active, gone } = table;
  // An object of a lane that went to rest, or ended, no longer represents it.
  if (active.get(lane.subject) !== lane) return;
  if (lane.sending || lane.loading || lane.queued || lane.freezing) return;
  if (isCaughtUp(lane)) {
    if (lane.ahead) return;
    active.delete(lane.subject);
    if (lane.mayHaveRow) gone.add(lane.subject);
  } else if (lane.due === null || lane.due > now) {
    restLane(table, lane);
  } else {
    queueLane(table, lane);
  }
}

/** Creates the lane of a subject that has none. */
export function addLane({ active, gone }: LaneTable, subject: number, next: number): Lane {
  const lane = newLane(subject, next);
  lane.mayHaveRow = gone.delete(subject);
  active.set(subject, lane);
  return lane;
}

/** Finds the lane of a subject, and wakes it if it rests: the caller places it afterwards. */
export function wakeLane({ active, resting }: LaneTable, subject: number): Lane | null {
  const found = active.get(subject);
  if (found !== undefined) return found;
  const lane = resting.wake(subject);
  if (lane !== null) active.set(subject, lane);
  return lane;
}

/** Adds an event from the shared read to the lane of its subject. */
export function addEvent(table: LaneTable, event: DeliveryEvent, now: number): void {
  // A resting lane reads its own events when it wakes, up to the shared read.
  if (table.resting.has(event.subject)) return;
  const lane = table.active.get(event.subject);
  if (lane === undefined) {
    const added = addLane(table, event.subject, event.version);
    added.pending.push(event);
    queueLane(table, added);
    return;
  }
  if (!lane.detached && lane.pending.length < PENDING_MOST) lane.pending.push(event);
  else {
    if (!lane.detached) detach(lane);
    lane.seen = event.position;
  }
  placeLane(table, lane, now);
}
