import type { Batches } from "./batches.ts";
import { coversRange, endRange, type Lane, rewindLane } from "./lane.ts";
import type { Lanes } from "./lanes.ts";
import type { EventReader } from "./event-reader.ts";
import { nextRange } from "../subscriptions/rewind-ranges.ts";
import type { DeliveryEvent } from "./source.ts";
import type { Rewind } from "../subscriptions/subscription.ts";
import {
  rewindStartOf,
  versionAfter,
  WALK_SUBJECTS,
  type WalkDeps,
  nextRewindStarts,
  rewindFrom,
} from "../subscriptions/walk.ts";

/** Approximate limits of the buffered events and their characters. */
const BUFFERED_EVENTS = 2_048;
const BUFFERED_CHARACTERS = 16 * 1024 * 1024;

/** The position of a subscription's shared read, and its rewind. */
export interface SourceReader {
  /** Every event up to this position was read. */
  readonly frontier: () => number;
  readonly rewind: () => Rewind | null;
  /** Whether there are events to read. */
  hasMore(head: number): boolean;
  /** Whether there is room for more. Visits all buffered events. */
  hasRoom(): boolean;
  /** Continues the rewind, and the shared read up to a head. One call at a time. */
  readNext(head: number): Promise<void>;
  /** Reads the next events of a detached lane. */
  load(lane: Lane): Promise<void>;
}

export interface SourceReaderDeps extends WalkDeps {
  readonly eventReader: EventReader;
  readonly lanes: Lanes;
  /** Null unless events are delivered in batches. */
  readonly batches: Batches | null;
  readonly now: () => number;
}

/** How far the shared read and the rewind have come. */
interface ReadState {
  frontier: number;
  rewind: Rewind | null;
}

function addDetached({ lanes, batches, now }: SourceReaderDeps, subject: number, next: number): Lane {
  const lane = lanes.addDetached(subject, next);
  batches?.handOver(now());
  return lane;
}

/** Rewinds a subject before its new event, if the rewind has yet to reach it. */
async function rewindAhead(
  deps: SourceReaderDeps,
  event: DeliveryEvent,
  rewind: Rewind,
  present: number,
): Promise<void> {
  const first = await rewindStartOf(deps, event.subject, rewind);
  if (first === null || first.position <= rewind.walked) return;
  const laneRewind = await rewindFrom(deps, first, { upTo: rewind.upTo, present }, true);
  rewindLane(addDetached(deps, event.subject, event.version), laneRewind);
}

/** Starts the redelivery of the next subjects of a rewind. Returns the rest of it; null: it is complete. */
async function continueRewind(
  deps: SourceReaderDeps,
  rewind: Rewind,
  present: number,
): Promise<Rewind | null> {
  const { lanes, now } = deps;
  const { upTo } = rewind;
  const { starts, walked } = await nextRewindStarts(deps, rewind);
  for (const start of starts) {
    const laneRewind = await rewindFrom(deps, start, { upTo, present }, false);
    const lane =
      lanes.wake(start.subject) ??
      addDetached(deps, start.subject, await versionAfter(deps, start.subject, present));
    if (lane.ahead) {
      lane.ahead = false;
      lane.changes += 1;
    } else if (!coversRange(lane, laneRewind)) {
      rewindLane(lane, laneRewind);
    }
    lanes.place(lane, now());
  }
  return walked >= upTo ? nextRange(rewind) : { ...rewind, walked };
}

/** Continues the shared read up to a head, or to the end of its window. */
async function readShared(deps: SourceReaderDeps, state: ReadState, head: number): Promise<void> {
  const { lanes, batches, now } = deps;
  const { events, upTo } = await deps.eventReader.read(state.frontier, head);
  for (const event of events) {
    if (state.rewind !== null && !lanes.has(event.subject))
      await rewindAhead(deps, event, state.rewind, state.frontier);
    if (batches !== null && !lanes.has(event.subject)) batches.addEvent(event);
    else lanes.addEvent(event, now());
  }
  state.frontier = upTo;
}

/** Reads the next events of a detached lane, up to a position. */
async function loadLane(
  { eventReader, lanes, now }: SourceReaderDeps,
  lane: Lane,
  upTo: number,
): Promise<void> {
  lane.loading = true;
  const { next, stop, frozen } = lane;
  const range = { next, stop: frozen ?? stop, upTo, isRetry: lane.attempts > 0 };
  const { events, end } = await eventReader.readLane(lane.subject, range);
  lane.loading = false;
  // It may have been rewound meanwhile.
  if (lane.next === next && lane.stop === stop && lane.frozen === frozen) {
    lane.pending = [...events];
    if (frozen !== null) {
      if (events.length === 0) {
        lane.frozen = null;
        lane.changes += 1;
      }
    } else if (stop !== null) {
      if (events.length === 0) endRange(lane);
    } else if (end) {
      lane.readTo = upTo;
    }
  }
  lanes.place(lane, now());
}

export function createSourceReader(
  deps: SourceReaderDeps,
  start: { readonly cursor: number; readonly rewind: Rewind | null },
): SourceReader {
  const { lanes, batches } = deps;
  const state: ReadState = { frontier: start.cursor, rewind: start.rewind };
  const hasRoomToRewind = () => lanes.queued("fresh") < 2 * WALK_SUBJECTS;
  return {
    frontier: () => state.frontier,
    rewind: () => state.rewind,
    hasMore: (head) => state.frontier < head || (state.rewind !== null && hasRoomToRewind()),
    hasRoom() {
      const held = [lanes.buffered(), batches?.waiting()];
      const sum = (of: "events" | "characters") => held.reduce((total, part) => total + (part?.[of] ?? 0), 0);
      return sum("events") < BUFFERED_EVENTS && sum("characters") < BUFFERED_CHARACTERS;
    },
    async readNext(head) {
      if (state.rewind !== null && hasRoomToRewind())
        state.rewind = await continueRewind(deps, state.rewind, state.frontier);
      if (state.frontier < head) await readShared(deps, state, head);
    },
    load: (lane) => loadLane(deps, lane, state.frontier),
  };
}
