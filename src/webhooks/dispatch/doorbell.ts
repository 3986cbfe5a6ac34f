import { retryDelay } from "../endpoint/endpoint.ts";
import { doorbellMessage } from "../endpoint/message.ts";
import { NO_SUBJECT, type PreparedDelivery } from "./prepared-delivery.ts";

/** Announces new events: one request at a time, about the latest position only. */
export interface Doorbell {
  /** Position up to which the endpoint was notified. */
  notifiedUpTo(): number;
  /** Adds a range up to `head` that contains selected events. */
  addSelected(head: number): void;
  /** Adds a range up to `head` without selected events. */
  addUnselected(head: number): void;
  /** When the next retry is due; infinity: none is. */
  due(now: number): number;
  /** Whether a request can be sent now. */
  isReady(now: number): boolean;
  next(now: number): PreparedDelivery | null;
}

export interface DoorbellOptions {
  readonly subscription: string;
  readonly source: string;
  /** Identity of the log. */
  readonly identity: string;
  readonly cursor: number;
  readonly chance: () => number;
  /** Whether a request of an earlier dispatcher is in flight, which this one must not overtake. */
  readonly hasOtherRequest: (subject: number) => boolean;
}

export function createDoorbell({
  subscription,
  source,
  identity,
  cursor,
  chance,
  hasOtherRequest,
}: DoorbellOptions): Doorbell {
  let notified = cursor;
  let head = cursor;
  let attempts = 0;
  let due = 0;
  let sending = false;
  const isReady = (now: number) => !sending && head > notified && due <= now && !hasOtherRequest(NO_SUBJECT);
  return {
    notifiedUpTo: () => notified,
    addSelected(seen) {
      head = seen;
    },
    addUnselected(seen) {
      if (notified === head && !sending) notified = seen;
      head = seen;
    },
    due: (now) => (due > now ? due : Number.POSITIVE_INFINITY),
    isReady,
    next(now) {
      if (!isReady(now)) return null;
      sending = true;
      const announced = head;
      return {
        message: doorbellMessage(subscription, source, { head: announced, identity }),
        events: [],
        subject: null,
        subjects: [NO_SUBJECT],
        // No other request reflects the endpoint's health.
        fresh: true,
        isAlone: false,
        settle({ verdict, now: settled }) {
          sending = false;
          if (verdict.kind === "acknowledged") {
            notified = announced;
            attempts = 0;
          } else if (verdict.kind === "refused" || verdict.kind === "overloaded") {
            attempts += 1;
            const askedMs = verdict.kind === "overloaded" ? verdict.retryAfterMs : 0;
            due = settled + Math.max(askedMs, retryDelay(attempts, chance()));
          }
        },
      };
    },
  };
}
