import { acknowledge, type Lane, sendBack, standApart } from "./lane.ts";
import type { Lanes } from "./lanes.ts";
import { batchMessage, type Message, singleMessage } from "./message.ts";
import { retryDelay } from "./endpoint.ts";
import type { Parcel } from "./parcel.ts";
import type { DeliveryEvent } from "./source.ts";
import type { DeliveryMode } from "./subscription.ts";
import { LONG_WAIT_MS, type Verdict } from "./verdict.ts";

export interface LaneParcelsOptions {
  readonly subscription: string;
  readonly mode: DeliveryMode;
  /** Attempts after which a lane is not tried again by itself. */
  readonly attempts: number | null;
  readonly chance: () => number;
  /** Whether a subject has a request under way that is not its lane's. */
  readonly isElsewhere: (subject: number) => boolean;
  /** Told of a lane that waits for that. */
  readonly onHeld: (lane: Lane) => void;
  /** Told that a lane has to be stored before it is sent. */
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

/** Has a lane tried again after a wait, without holding others back. */
function postpone(lane: Lane, error: string, waitMs: number | null, now: number): void {
  standApart(lane);
  lane.error = error;
  lane.since ??= new Date(now).toISOString();
  // Many may be blocked: each is read again when it is its turn.
  lane.pending = [];
  lane.due = waitMs === null ? null : now + waitMs;
  lane.wait = waitMs;
}

/** Notes that a lane's next events were not taken: it is tried again later, and does not hold others back. */
export function block(
  lane: Lane,
  error: string,
  now: number,
  { attempts, chance }: Pick<LaneParcelsOptions, "attempts" | "chance">,
): void {
  lane.attempts += 1;
  const isParked = attempts !== null && lane.attempts >= attempts;
  postpone(lane, error, isParked ? null : retryDelay(lane.attempts, chance()), now);
}

/**
 * What lanes have to send. In a batch, what one lane sends is fixed and stored before it is sent for the first time: a
 * lane without that is marked as `freezing`, and can be sent when it is stored.
 */
export function createLaneParcels(lanes: Lanes, options: LaneParcelsOptions) {
  const { subscription, mode } = options;

  const settle = (lane: Lane, events: readonly DeliveryEvent[], verdict: Verdict, now: number) => {
    lane.sending = false;
    // Perhaps it was asked for because of this subject alone: others go on, until one of them is answered like this.
    const isPostponed = verdict.kind === "overloaded" && verdict.retryAfterMs > LONG_WAIT_MS;
    if (verdict.kind === "acknowledged") {
      acknowledge(lane, events.at(-1)?.version ?? lane.next);
    } else if (verdict.kind === "refused") {
      block(lane, verdict.error, now, options);
    } else if (isPostponed) {
      lane.attempts = Math.max(1, lane.attempts);
      postpone(lane, verdict.error, verdict.retryAfterMs, now);
    }
    if (lane.back !== null) sendBack(lane, lane.back);
    else if (!isPostponed && (verdict.kind === "overloaded" || verdict.kind === "unreachable")) {
      lanes.first(lane);
      return;
    }
    lanes.place(lane, now);
  };

  const parcelOf = (lane: Lane, events: readonly DeliveryEvent[], message: Message): Parcel => {
    lane.sending = true;
    return {
      message,
      events: events.length,
      subject: events[0]?.name ?? null,
      fresh: lane.attempts === 0,
      settle: (verdict, now) => settle(lane, events, verdict, now),
    };
  };

  const inBatch = (lane: Lane, limits: Extract<DeliveryMode, { kind: "batch" }>): Parcel | null => {
    if (lane.frozen === null) {
      lane.frozen = fitting(lane.pending, limits).at(-1)?.version ?? null;
      lane.freezing = true;
      lane.dirty = true;
      options.onFreezing();
      return null;
    }
    const events = lane.pending.filter(({ version }) => version <= (lane.frozen ?? 0));
    return parcelOf(lane, events, batchMessage(subscription, events));
  };

  return {
    /** The next parcel of those lanes that can send now; of one that never failed, if asked. */
    next(now: number, freshOnly: boolean): Parcel | null {
      for (;;) {
        const lane = lanes.nextReady(freshOnly);
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
