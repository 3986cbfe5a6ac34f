import type { Batches } from "./batches.ts";
import { covers, goOn, type Lane, sendBack } from "./lane.ts";
import type { Lanes } from "./lanes.ts";
import type { EventReader } from "./event-reader.ts";
import { nextRange } from "../subscriptions/rewind-ranges.ts";
import type { DeliveryEvent } from "./source.ts";
import type { Rewind } from "../subscriptions/subscription.ts";
import {
  beginningOf,
  versionAfter,
  WALK_SUBJECTS,
  type WalkDeps,
  walkOn,
  wayBack,
} from "../subscriptions/walk.ts";

/** Events, and their characters, that are at hand at most, by and large. */
const AT_HAND_EVENTS = 2_048;
const AT_HAND_CHARACTERS = 16 * 1024 * 1024;

/** Where a subscription reads: how far the pass is, and the rewind. */
export interface SourceReader {
  /** Everything up to this position was taken in. */
  readonly frontier: () => number;
  readonly rewind: () => Rewind | null;
  /** Whether there is something to go on with. */
  wants(head: number): boolean;
  /** Whether there is room for more. Looks at all that is at hand. */
  hasRoom(): boolean;
  /** Goes on with the rewind, and with the pass up to a head. One at a time. */
  readOn(head: number): Promise<void>;
  /** Reads the next events of a lane that stands apart. */
  load(lane: Lane): Promise<void>;
}

export interface SourceReaderDeps extends WalkDeps {
  readonly pass: EventReader;
  readonly lanes: Lanes;
  /** Null where events are not delivered in batches. */
  readonly batches: Batches | null;
  readonly now: () => number;
}

export function createSourceReader(
  deps: SourceReaderDeps,
  start: { readonly cursor: number; readonly rewind: Rewind | null },
): SourceReader {
  const { pass, lanes, batches, now } = deps;
  let frontier = start.cursor;
  let rewind = start.rewind;

  const apart = (subject: number, next: number): Lane => {
    const lane = lanes.addApart(subject, next);
    batches?.leave(now());
    return lane;
  };

  /** Sends a subject back before its news, if the rewind has yet to come by it. */
  const goAhead = async (event: DeliveryEvent, under: Rewind) => {
    const beginning = await beginningOf(deps, event.subject, under);
    if (beginning === null || beginning.position <= under.walked) return;
    const back = await wayBack(deps, beginning, { upTo: under.upTo, present: frontier }, true);
    sendBack(apart(event.subject, event.version), back);
  };

  const take = (event: DeliveryEvent, at: number) => {
    if (batches !== null && !lanes.has(event.subject)) batches.take(event);
    else lanes.take(event, at);
  };

  const walk = async (under: Rewind) => {
    const { beginnings, walked } = await walkOn(deps, under);
    for (const { subject, version } of beginnings) {
      const back = await wayBack(deps, { subject, version }, { upTo: under.upTo, present: frontier }, false);
      const lane = lanes.wake(subject) ?? apart(subject, await versionAfter(deps, subject, frontier));
      if (lane.ahead) {
        lane.ahead = false;
        lane.changes += 1;
      } else if (!covers(lane, back)) {
        sendBack(lane, back);
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
      const { events, upTo } = await pass.read(frontier, head);
      for (const event of events) {
        if (rewind !== null && !lanes.has(event.subject)) await goAhead(event, rewind);
        take(event, now());
      }
      frontier = upTo;
    },
    async load(lane) {
      lane.loading = true;
      const { next, stop, frozen } = lane;
      const upTo = frontier;
      const { events, end } = await pass.readLane(lane.subject, { next, stop: frozen ?? stop, upTo });
      lane.loading = false;
      // It may have been sent back meanwhile.
      if (lane.next === next && lane.stop === stop && lane.frozen === frozen) {
        lane.pending = [...events];
        if (frozen !== null) {
          if (events.length === 0) {
            lane.frozen = null;
            lane.changes += 1;
          }
        } else if (stop !== null) {
          if (events.length === 0) goOn(lane);
        } else if (end) {
          lane.readTo = upTo;
        }
      }
      lanes.place(lane, now());
    },
  };
}
