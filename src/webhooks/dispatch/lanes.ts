import {
  isThrough,
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
import { createTurnQueue } from "./turn-queue.ts";

/** Events of one subject that wait at most; one with more reads the log by itself. */
const PENDING_MOST = 64;

/** Lanes to be tried again that are awake at most, though more of them may be due. */
const RETRIES_AWAKE = 1_024;

/** Lanes that never failed since their last success, and lanes that are tried again. They never wait for each other. */
export type TurnKind = "fresh" | "retry";

/** Rows to be stored, and what follows once they are. */
export interface LaneRows {
  readonly upserts: readonly StoredLane[];
  readonly deletes: readonly number[];
  /** To be called when the write is acknowledged, and never before: until then the rows count as not stored. */
  acknowledge(now: number): void;
}

/**
 * The lanes of a subscription, and whose turn it is: `ready` ones have an event to send, `hungry` ones have to read
 * theirs first, and those that rest wait for a time. It knows no time beyond what it is given, and starts nothing.
 *
 * A lane that rests is a row of numbers (`resting-lanes.ts`), and no step of the others looks at it.
 */
export interface Lanes {
  /** Events at hand of all lanes. */
  pending(): readonly DeliveryEvent[];
  /** What is in memory. Looks at each lane that does not rest. */
  atHand(): { readonly events: number; readonly characters: number };
  /** Lanes of a kind that are ready, or have to load. */
  waiting(kind: TurnKind): number;
  /** Lanes of a kind that have an event to send. */
  ready(kind: TurnKind): number;
  /** Lanes that wait for a time, or for somebody: nearly all that are blocked. */
  resting(): number;
  has(subject: number): boolean;
  /** Finds the lane of a subject, and wakes it if it rests: the caller places it afterwards. */
  wake(subject: number): Lane | null;
  /** Adds lanes that were stored. */
  restore(rows: readonly StoredLane[], now: number): void;
  /** Replaces all events at hand by what is left of them. */
  replace(reread: Reread, now: number): void;
  /** Takes in an event that the pass came by. */
  take(event: DeliveryEvent, now: number): void;
  /** Makes a lane that stands apart; there must be none for the subject. */
  addApart(subject: number, next: number): Lane;
  /** Puts a lane where it belongs after anything about it changed. */
  place(lane: Lane, now: number): void;
  /** Notes the position of an acknowledged event of a lane in step. */
  acknowledged(position: number): void;
  /**
   * To be called before the last snapshot. Lanes that wait before an acknowledged event stand apart from then on: their rows
   * state where they are, so that the cursor is not held back and what others acknowledged is not repeated.
   */
  leaveCursor(): void;
  /** The next lane of a kind that can send. */
  nextReady(kind: TurnKind): Lane | null;
  nextHungry(kind: TurnKind): Lane | null;
  /**
   * Wakes lanes that are due, as many as there is room for. Returns when the next one is due; infinity when none is, or
   * when more are due than there is room for: then there are some to send.
   */
  due(now: number): number;
  /** Everything up to this position, of what the pass came by up to the frontier, is acknowledged or in a row. */
  lowWater(frontier: number): number;
  /** The rows that differ from what is known to be stored, for a cursor at the low-water mark. */
  rows(lowWater: number): LaneRows;
}

const kindOf = ({ attempts }: Lane): TurnKind => (attempts > 0 ? "retry" : "fresh");

const createQueues = () => ({ fresh: createTurnQueue<Lane>(), retry: createTurnQueue<Lane>() });

export function createLanes(): Lanes {
  const active = new Map<number, Lane>();
  const resting = createRestingLanes();
  const ready = createQueues();
  const hungry = createQueues();
  let lastAcknowledged = 0;
  /** Subjects without a lane that may have a row. */
  const gone = new Set<number>();

  const waiting = (kind: TurnKind) => ready[kind].size() + hungry[kind].size();

  const queue = (lane: Lane) => {
    lane.queued = true;
    (lane.pending.length > 0 ? ready : hungry)[kindOf(lane)].push(lane);
  };

  const next = (queues: ReturnType<typeof createQueues>, kind: TurnKind) => {
    const lane = queues[kind].shift();
    if (lane !== null) lane.queued = false;
    return lane;
  };

  const rest = (lane: Lane) => {
    active.delete(lane.subject);
    resting.add(lane);
  };

  const place = (lane: Lane, now: number) => {
    // Where an object is still known after its lane went to rest, or ended, it is not the lane any more.
    if (active.get(lane.subject) !== lane) return;
    if (lane.sending || lane.loading || lane.queued || lane.freezing) return;
    if (isThrough(lane)) {
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

  /** Whether a row has to say where a lane is, when the cursor is at the low-water mark. */
  const isBehind = ({ apart, back, sending, pending: [event] }: Lane, lowWater: number) =>
    apart || back !== null || (sending && event !== undefined && event.position <= lowWater);

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
      // One that rests reads its own events when it wakes, up to where the pass is then.
      if (resting.has(event.subject)) return;
      const lane = active.get(event.subject);
      if (lane === undefined) {
        const fresh = add(newLane(event.subject, event.version));
        fresh.pending.push(event);
        queue(fresh);
        return;
      }
      if (!lane.apart && lane.pending.length < PENDING_MOST) lane.pending.push(event);
      else {
        if (!lane.apart) detach(lane);
        lane.seen = event.position;
      }
      place(lane, now);
    },
    addApart(subject, version) {
      const lane = add(newLane(subject, version));
      detach(lane);
      return lane;
    },
    place,
    acknowledged(position) {
      lastAcknowledged = Math.max(lastAcknowledged, position);
    },
    leaveCursor() {
      for (const lane of active.values()) {
        const [event] = lane.pending;
        if (lane.apart || lane.sending || event === undefined) continue;
        if (event.position < lastAcknowledged) detach(lane);
      }
    },
    nextReady: (kind) => next(ready, kind),
    nextHungry: (kind) => next(hungry, kind),
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
      for (const { apart, sending, pending } of active.values()) {
        const [event] = pending;
        if (!apart && !sending && event !== undefined) lowWater = Math.min(lowWater, event.position - 1);
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
          // Whatever becomes of the deletion: a row that is needed again has to be written.
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
            // One that rests now is another object when it wakes, and its row is written again.
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
