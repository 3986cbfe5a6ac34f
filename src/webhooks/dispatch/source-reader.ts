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
const AT_HAND_EVENTS = 2_048;
const AT_HAND_CHARACTERS = 16 * 1024 * 1024;

/** The position of a subscription's shared read, and its rewind. */
export interface SourceReader {
  /** Every event up to this position was read. */
  readonly frontier: () => number;
  readonly rewind: () => Rewind | null;
  /** Whether there are events to read. */
  wants(head: number): boolean;
  /** Whether there is room for more. Visits all buffered events. */
  hasRoom(): boolean;
  /** Continues the rewind, and the shared read up to a head. One call at a time. */
  readOn(head: number): Promise<void>;
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

export function createSourceReader(
  deps: SourceReaderDeps,
  start: { readonly cursor: number; readonly rewind: Rewind | null },
): SourceReader {
  const { eventReader, lanes, batches, now } = deps;
  let frontier = start.cursor;
  let rewind = start.rewind;

  const addDetached = (subject: number, next: number): Lane => {
    const lane = lanes.addDetached(subject, next);
    batches?.handOver(now());
    return lane;
  };

  /** Rewinds a subject before its new event, if the rewind has yet to reach it. */
  const rewindAhead = async (event: DeliveryEvent, under: Rewind) => {
    const first = await rewindStartOf(deps, event.subject, under);
    if (first === null || first.position <= under.walked) return;
    const laneRewind = await rewindFrom(deps, first, { upTo: under.upTo, present: frontier }, true);
    rewindLane(addDetached(event.subject, event.version), laneRewind);
  };

  const take = (event: DeliveryEvent, at: number) => {
    if (batches !== null && !lanes.has(event.subject)) batches.take(event);
    else lanes.take(event, at);
  };

  const walk = async (under: Rewind) => {
    const { starts, walked } = await nextRewindStarts(deps, under);
    for (const { subject, version } of starts) {
      const laneRewind = await rewindFrom(
        deps,
        { subject, version },
        { upTo: under.upTo, present: frontier },
        false,
      );
      const lane = lanes.wake(subject) ?? addDetached(subject, await versionAfter(deps, subject, frontier));
      if (lane.ahead) {
        lane.ahead = false;
        lane.changes += 1;
      } else if (!coversRange(lane, laneRewind)) {
        rewindLane(lane, laneRewind);
      }
      lanes.place(lane, now());
    }
    rewind = walked >= under.upTo ? nextRange(under) : { ...under, walked };
  };

  const canWalk = () => rewind !== null && lanes.waiting("fresh") < 2 * WALK_SUBJECTS;

  return {
    frontier: () => frontier,
    rewind: () => rewind,
    wants: (head) => frontier < head || canWalk(),
    hasRoom() {
      const held = [lanes.atHand(), batches?.atHand()];
      const sum = (of: "events" | "characters") => held.reduce((total, part) => total + (part?.[of] ?? 0), 0);
      return sum("events") < AT_HAND_EVENTS && sum("characters") < AT_HAND_CHARACTERS;
    },
    async readOn(head) {
      if (rewind !== null && canWalk()) await walk(rewind);
      if (frontier >= head) return;
      const { events, upTo } = await eventReader.read(frontier, head);
      for (const event of events) {
        if (rewind !== null && !lanes.has(event.subject)) await rewindAhead(event, rewind);
        take(event, now());
      }
      frontier = upTo;
    },
    async load(lane) {
      lane.loading = true;
      const { next, stop, frozen } = lane;
      const upTo = frontier;
      const { events, end } = await eventReader.readLane(lane.subject, {
        next,
        stop: frozen ?? stop,
        upTo,
        isRetry: lane.attempts > 0,
      });
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
    },
  };
}
