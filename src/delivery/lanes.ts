import { createDueLanes } from "./due-lanes.ts";
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
import { createTurnQueue } from "./turn-queue.ts";

/** Events of one subject that wait at most; one with more reads the log by itself. */
const PENDING_MOST = 64;

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
 * A lane that rests costs one object and an entry in a heap, and no step of the others looks at it.
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
  find(subject: number): Lane | null;
  /** Replaces all events at hand by what is left of them. */
  replace(reread: Reread, now: number): void;
  /** Takes in an event that the pass came by. */
  take(event: DeliveryEvent): void;
  /** Makes a lane that stands apart; there must be none for the subject. */
  addApart(subject: number, next: number): Lane;
  /** Puts a lane where it belongs after anything about it changed. */
  place(lane: Lane, now: number): void;
  /** Notes the position of an event that the pass came by and that is acknowledged. */
  acknowledged(position: number): void;
  /**
   * To be called before the last snapshot. Lanes that wait before an acknowledged event stand apart from then on: their rows
   * state where they are, so that the cursor is not held back and what others acknowledged is not repeated.
   */
  leaveCursor(): void;
  /** The next lane of a kind that can send. */
  nextReady(kind: TurnKind): Lane | null;
  nextHungry(kind: TurnKind): Lane | null;
  /** Finds the lanes that are due. Gives when the next one is; infinity: none is. */
  due(now: number): number;
  /** Everything up to this position, of what the pass came by up to the frontier, is acknowledged or in a row. */
  lowWater(frontier: number): number;
  /** The rows that differ from what is known to be stored, for a cursor at the low-water mark. */
  rows(lowWater: number): LaneRows;
}

const kindOf = ({ attempts }: Lane): TurnKind => (attempts > 0 ? "retry" : "fresh");

const createQueues = () => ({ fresh: createTurnQueue<Lane>(), retry: createTurnQueue<Lane>() });

export function createLanes(stored: readonly StoredLane[], startMs: number): Lanes {
  const active = new Map<number, Lane>();
  const resting = new Map<number, Lane>();
  /** Lanes that rest, and differ from what is known to be stored. */
  const unsaved = new Set<Lane>();
  const dueLanes = createDueLanes();
  const ready = createQueues();
  const hungry = createQueues();
  let lastAcknowledged = 0;
  /** Subjects without a lane that may have a row. */
  const gone = new Set<number>();

  const find = (subject: number): Lane | null => active.get(subject) ?? resting.get(subject) ?? null;

  const queue = (lane: Lane) => {
    lane.queued = true;
    (lane.pending.length > 0 ? ready : hungry)[kindOf(lane)].push(lane);
  };

  const next = (queues: ReturnType<typeof createQueues>, kind: TurnKind) => {
    const lane = queues[kind].shift();
    if (lane !== null) lane.queued = false;
    return lane;
  };

  const remove = (lane: Lane) => {
    active.delete(lane.subject);
    resting.delete(lane.subject);
    unsaved.delete(lane);
    if (lane.mayHaveRow) gone.add(lane.subject);
  };

  const rest = (lane: Lane) => {
    active.delete(lane.subject);
    resting.set(lane.subject, lane);
    dueLanes.add(lane);
    if (lane.changes !== lane.kept) unsaved.add(lane);
  };

  const wake = (lane: Lane) => {
    if (!resting.delete(lane.subject)) return;
    unsaved.delete(lane);
    active.set(lane.subject, lane);
  };

  const place = (lane: Lane, now: number) => {
    if (lane.sending || lane.loading || lane.queued || lane.freezing) return;
    if (isThrough(lane)) {
      if (lane.ahead) wake(lane);
      else remove(lane);
    } else if (lane.due === null || lane.due > now) {
      rest(lane);
    } else {
      wake(lane);
      queue(lane);
    }
  };

  const add = (lane: Lane) => {
    lane.mayHaveRow = gone.delete(lane.subject);
    active.set(lane.subject, lane);
    return lane;
  };

  /** Whether a row has to say where a lane is, when the cursor is at the low-water mark. */
  const isBehind = ({ apart, back, sending, pending: [event] }: Lane, lowWater: number) =>
    apart || back !== null || (sending && event !== undefined && event.position <= lowWater);

  for (const row of stored) {
    const lane = storedLane(row, startMs);
    active.set(lane.subject, lane);
    place(lane, startMs);
  }

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
    waiting: (kind) => ready[kind].size() + hungry[kind].size(),
    ready: (kind) => ready[kind].size(),
    resting: () => resting.size,
    find,
    replace(reread, now) {
      for (const lane of Array.from(active.values())) {
        if (lane.pending.length === 0) continue;
        replacePending(lane, reread);
        place(lane, now);
      }
    },
    take(event) {
      const lane = find(event.subject);
      if (lane === null) {
        const fresh = add(newLane(event.subject, event.version));
        fresh.pending.push(event);
        queue(fresh);
      } else if (lane.apart) {
        lane.seen = event.position;
      } else if (lane.pending.length < PENDING_MOST) {
        lane.pending.push(event);
      } else {
        standApart(lane);
        lane.seen = event.position;
      }
    },
    addApart(subject, version) {
      const lane = add(newLane(subject, version));
      standApart(lane);
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
        if (event.position < lastAcknowledged) standApart(lane);
      }
    },
    nextReady: (kind) => next(ready, kind),
    nextHungry: (kind) => next(hungry, kind),
    due(now) {
      for (let lane = dueLanes.next(now); lane !== null; lane = dueLanes.next(now))
        if (resting.get(lane.subject) === lane) place(lane, now);
      return dueLanes.soonest();
    },
    lowWater(frontier) {
      let lowWater = frontier;
      for (const { apart, sending, pending: waiting } of active.values()) {
        const [event] = waiting;
        if (!apart && !sending && event !== undefined) lowWater = Math.min(lowWater, event.position - 1);
      }
      return lowWater;
    },
    rows(lowWater) {
      const sent: { readonly lane: Lane; readonly changes: number; readonly row: StoredLane }[] = [];
      const deletes = new Set(gone);
      const upsert = (lane: Lane) => {
        lane.mayHaveRow = true;
        sent.push({ lane, changes: lane.changes, row: rowOf(lane) });
      };
      for (const lane of unsaved) upsert(lane);
      for (const lane of active.values()) {
        if (isBehind(lane, lowWater)) {
          if (lane.changes !== lane.kept) upsert(lane);
        } else if (lane.mayHaveRow) {
          deletes.add(lane.subject);
          // Whatever becomes of the deletion: a row that is needed again has to be written.
          lane.kept = -1;
        }
      }
      return {
        upserts: sent.map(({ row }) => row),
        deletes: [...deletes],
        acknowledge(now) {
          for (const subject of deletes) {
            gone.delete(subject);
            const lane = find(subject);
            if (lane !== null && lane.kept === -1) lane.mayHaveRow = false;
          }
          for (const { lane, changes } of sent) {
            lane.kept = changes;
            if (lane.changes !== changes) continue;
            unsaved.delete(lane);
            if (!lane.freezing) continue;
            lane.freezing = false;
            place(lane, now);
          }
        },
      };
    },
  };
}
