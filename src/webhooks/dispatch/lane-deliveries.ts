import { retryDelay } from "../endpoint/endpoint.ts";
import { acknowledge, type Lane, sendBack, detach } from "./lane.ts";
import type { Lanes, TurnKind } from "./lanes.ts";
import { batchMessage, type Message, singleMessage } from "../endpoint/message.ts";
import type { Outcome, PreparedDelivery } from "./prepared-delivery.ts";
import type { DeliveryEvent } from "./source.ts";
import type { DeliveryMode } from "../subscriptions/subscription.ts";
import type { Verdict } from "../endpoint/verdict.ts";

export interface LaneDeliveriesOptions {
  readonly subscription: string;
  readonly mode: DeliveryMode;
  /** Attempts after which a lane is not tried again until somebody asks for it. */
  readonly attempts: number | null;
  readonly chance: () => number;
  /** Whether a subject has a request under way that is not its lane's. */
  readonly isElsewhere: (subject: number) => boolean;
  /** Called with a lane that waits for that. */
  readonly onHeld: (lane: Lane) => void;
  /** Called when a lane has to be stored before it is sent. */
  readonly onFreezing: () => void;
}

/** The events that fit a batch, of those at hand; at least one. */
export function fitting(
  events: readonly DeliveryEvent[],
  { events: most, bytes }: { readonly events: number; readonly bytes: number },
): readonly DeliveryEvent[] {
  let characters = 0;
  let count = 0;
  for (const { text } of events) {
    characters += text.length;
    if (count > 0 && (count >= most || characters > bytes)) break;
    count += 1;
  }
  return events.slice(0, count);
}

/**
 * Failed attempts at a batch of one subject after which its events are sent one by one: the one that is not taken is then
 * the first, so that those before it pass, and `skip` gives up no other.
 */
const BATCH_ATTEMPTS = 2;

/** `most`: attempts after which an event waits for somebody; the one that is not taken has to be known by then. */
function isOneByOne(lane: Lane, most: number | null): boolean {
  return lane.attempts >= Math.min(BATCH_ATTEMPTS, most ?? BATCH_ATTEMPTS);
}

/** What a failure means for the subject that was sent. */
type Failure = Extract<Verdict, { kind: "refused" | "overloaded" }>;

/**
 * Subjects that failed since the endpoint last took something. If the endpoint goes down, the failures were its own:
 * the subjects are then tried again as soon as it is back.
 */
export interface Suspects {
  /** Makes a lane wait for its next attempt, without holding others back. `events`: how many were not taken together. */
  block(lane: Lane, failure: Failure, outcome: Pick<Outcome, "now" | "isDown">, events: number): void;
  /** The endpoint took something. `wasDown`: for the first time since it went down. */
  onSuccess(wasDown: boolean, now: number): void;
}

export function createSuspects(
  lanes: Lanes,
  { attempts, chance }: Pick<LaneDeliveriesOptions, "attempts" | "chance">,
): Suspects {
  /** By subject: a lane that rests has no object. */
  const suspects = new Set<number>();
  return {
    block(lane, failure, { now, isDown }, events) {
      detach(lane);
      // While the endpoint is down, a failure says nothing about the subject, and uses up none of its attempts.
      lane.attempts = isDown ? Math.max(1, lane.attempts) : lane.attempts + 1;
      lane.error = failure.error;
      lane.since ??= new Date(now).toISOString();
      // Many may be blocked: each is read again when it is its turn.
      lane.pending = [];
      if (isOneByOne(lane, attempts)) lane.frozen = null;
      const isParked = !isDown && attempts !== null && lane.attempts >= attempts && events === 1;
      const askedMs = failure.kind === "overloaded" ? failure.retryAfterMs : 0;
      lane.wait = isParked ? null : Math.max(askedMs, retryDelay(lane.attempts, chance(), lanes.resting()));
      lane.due = lane.wait === null ? null : now + lane.wait;
      // A pause that the endpoint asked for is not cut short.
      if (askedMs === 0) suspects.add(lane.subject);
    },
    onSuccess(wasDown, now) {
      if (suspects.size === 0) return;
      if (wasDown) {
        for (const subject of suspects) {
          const lane = lanes.wake(subject);
          if (lane === null || lane.sending) continue;
          if (lane.attempts > 0) {
            lane.due = now;
            lane.wait = null;
            lane.changes += 1;
          }
          lanes.place(lane, now);
        }
      }
      suspects.clear();
    },
  };
}

/**
 * What lanes have to send. In a batch, what one lane sends is fixed and stored before it is sent for the first time: a
 * lane without that is marked as `freezing`, and can be sent when it is stored.
 */
export function createLaneDeliveries(lanes: Lanes, suspects: Suspects, options: LaneDeliveriesOptions) {
  const { subscription, mode } = options;

  const settle = (lane: Lane, events: readonly DeliveryEvent[], outcome: Outcome) => {
    const { verdict, now } = outcome;
    lane.sending = false;
    if (verdict.kind === "acknowledged") {
      if (!lane.apart) lanes.acknowledged(events.at(-1)?.position ?? 0);
      acknowledge(lane, events.at(-1)?.version ?? lane.next);
    } else if (verdict.kind === "refused" || verdict.kind === "overloaded") {
      suspects.block(lane, verdict, outcome, events.length);
    }
    if (lane.back !== null) sendBack(lane, lane.back);
    // One that never left goes to the end of the queue, so that the next probe is of another subject.
    lanes.place(lane, now);
  };

  const parcelOf = (lane: Lane, events: readonly DeliveryEvent[], message: Message): PreparedDelivery => {
    lane.sending = true;
    return {
      message,
      events: events.length,
      subject: events[0]?.name ?? null,
      subjects: [lane.subject],
      fresh: lane.attempts === 0,
      isAlone: true,
      settle: (outcome) => settle(lane, events, outcome),
    };
  };

  const inBatch = (lane: Lane, limits: Extract<DeliveryMode, { kind: "batch" }>): PreparedDelivery | null => {
    if (lane.frozen === null) {
      const most = isOneByOne(lane, options.attempts) ? 1 : limits.events;
      lane.frozen = fitting(lane.pending, { ...limits, events: most }).at(-1)?.version ?? null;
      lane.freezing = true;
      lane.changes += 1;
      options.onFreezing();
      return null;
    }
    const events = lane.pending.filter(({ version }) => version <= (lane.frozen ?? 0));
    return parcelOf(lane, events, batchMessage(subscription, events));
  };

  return {
    /** The next parcel of those lanes of a kind that can send now. */
    next(now: number, kind: TurnKind): PreparedDelivery | null {
      for (;;) {
        const lane = lanes.nextReady(kind);
        if (lane === null) return null;
        const [event] = lane.pending;
        if (lane.sending || event === undefined || lane.due === null || lane.due > now)
          lanes.place(lane, now);
        else if (options.isElsewhere(lane.subject)) options.onHeld(lane);
        else if (mode.kind !== "batch") return parcelOf(lane, [event], singleMessage(subscription, event));
        else {
          const parcel = inBatch(lane, mode);
          if (parcel !== null) return parcel;
        }
      }
    },
  };
}
