import { retryDelay } from "../endpoint/endpoint.ts";
import { acknowledge, type Lane, rewindLane, detach } from "./lane.ts";
import type { AttemptKind } from "./lane-table.ts";
import type { Lanes } from "./lanes.ts";
import { batchMessage, type Message, singleMessage } from "../endpoint/message.ts";
import type { Outcome, PreparedDelivery } from "./prepared-delivery.ts";
import type { DeliveryEvent } from "./source.ts";
import type { DeliveryMode } from "../subscriptions/subscription.ts";
import type { Verdict } from "../endpoint/verdict.ts";

export interface LaneDeliveriesOptions {
  readonly subscription: string;
  readonly mode: DeliveryMode;
  /** Attempts after which a lane is retried only on request. */
  readonly attempts: number | null;
  readonly chance: () => number;
  /** Whether a subject has a request in flight that does not belong to its lane. */
  readonly hasOtherRequest: (subject: number) => boolean;
  /** Called with a lane that must wait for such a request. */
  readonly onWaiting: (lane: Lane) => void;
  /** Called when a lane must be stored before it is sent. */
  readonly onFreezing: () => void;
}

/** The first of the events that fit a batch, at least one. */
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
 * Failed attempts at a batch of one subject after which its events are sent one by one: then the failing event is the
 * first, so that the events before it are delivered, and `skip` gives up no other.
 */
const BATCH_ATTEMPTS = 2;

/** `most`: attempts after which an event waits for an operator; the failing one must be known by then. */
function isOneByOne(lane: Lane, most: number | null): boolean {
  return lane.attempts >= Math.min(BATCH_ATTEMPTS, most ?? BATCH_ATTEMPTS);
}

/** A verdict that blocks the subject. */
type Failure = Extract<Verdict, { kind: "refused" | "overloaded" }>;

/**
 * Subjects that failed since the endpoint last acknowledged a delivery. If the endpoint goes down, it caused the
 * failures: the subjects are then retried as soon as it is up again.
 */
export interface Suspects {
  /**
   * Makes a lane wait for its next attempt without holding others back. `events`: number of events in the failed
   * request.
   */
  block(lane: Lane, failure: Failure, outcome: Pick<Outcome, "now" | "isDown">, events: number): void;
  /** The endpoint acknowledged a delivery. `wasDown`: the first one since it went down. */
  onSuccess(wasDown: boolean, now: number): void;
}

export function createSuspects(
  lanes: Lanes,
  { attempts, chance }: Pick<LaneDeliveriesOptions, "attempts" | "chance">,
): Suspects {
  /** By subject: a resting lane has no object. */
  const suspects = new Set<number>();
  return {
    block(lane, failure, { now, isDown }, events) {
      detach(lane);
      // A failure while the endpoint is down does not reflect on the subject, and uses up none of its attempts.
      lane.attempts = isDown ? Math.max(1, lane.attempts) : lane.attempts + 1;
      lane.error = failure.error;
      lane.since ??= new Date(now).toISOString();
      // Many lanes may be blocked, so each reads its events again when it is due.
      lane.pending = [];
      if (isOneByOne(lane, attempts)) lane.frozen = null;
      const isParked = !isDown && attempts !== null && lane.attempts >= attempts && events === 1;
      const askedMs = failure.kind === "overloaded" ? failure.retryAfterMs : 0;
      lane.wait = isParked ? null : Math.max(askedMs, retryDelay(lane.attempts, chance(), lanes.resting()));
      lane.due = lane.wait === null ? null : now + lane.wait;
      // A success does not shorten a pause that the endpoint requested.
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
 * Creates the deliveries of lanes. The content of a lane's batch is fixed and stored before it is sent for the first
 * time: until then the lane is `freezing`, and cannot be sent.
 */
export function createLaneDeliveries(lanes: Lanes, suspects: Suspects, options: LaneDeliveriesOptions) {
  const { subscription, mode } = options;

  const settle = (lane: Lane, events: readonly DeliveryEvent[], outcome: Outcome) => {
    const { verdict, now } = outcome;
    lane.sending = false;
    if (verdict.kind === "acknowledged") {
      if (!lane.detached) lanes.recordAcknowledged(events.at(-1)?.position ?? 0);
      acknowledge(lane, events.at(-1)?.version ?? lane.next);
    } else if (verdict.kind === "refused" || verdict.kind === "overloaded") {
      suspects.block(lane, verdict, outcome, events.length);
    }
    if (lane.pendingRewind !== null) rewindLane(lane, lane.pendingRewind);
    // A failed lane goes to the end of the queue, so that the next probe is of another subject.
    lanes.place(lane, now);
  };

  const deliveryOf = (lane: Lane, events: readonly DeliveryEvent[], message: Message): PreparedDelivery => {
    lane.sending = true;
    return {
      message,
      events,
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
    return deliveryOf(lane, events, batchMessage(subscription, events));
  };

  return {
    /** The next delivery of the lanes of a kind that can send now. */
    next(now: number, kind: AttemptKind): PreparedDelivery | null {
      for (;;) {
        const lane = lanes.nextReady(kind);
        if (lane === null) return null;
        const [event] = lane.pending;
        if (lane.sending || event === undefined || lane.due === null || lane.due > now)
          lanes.place(lane, now);
        else if (options.hasOtherRequest(lane.subject)) options.onWaiting(lane);
        else if (mode.kind !== "batch") return deliveryOf(lane, [event], singleMessage(subscription, event));
        else {
          const delivery = inBatch(lane, mode);
          if (delivery !== null) return delivery;
        }
      }
    },
  };
}
