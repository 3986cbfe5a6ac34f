import { retryDelay } from "../endpoint/endpoint.ts";
import { doorbellMessage } from "../endpoint/message.ts";
import { NO_SUBJECT, type PreparedDelivery } from "./prepared-delivery.ts";

/** News that there are events: only of the last of them, one at a time. */
export interface Doorbell {
  /** Position up to which the endpoint knows of events. */
  rung(): number;
  /** There is something selected up to a head. */
  see(head: number): void;
  /** There is nothing selected up to a head. */
  pass(head: number): void;
  /** When it is to be tried again; infinity: not for that it failed. */
  due(now: number): number;
  /** Whether it can be sent now. */
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
  /** Whether a request is under way that this one must not overtake. */
  readonly isElsewhere: (subject: number) => boolean;
}

export function createDoorbell({
  subscription,
  source,
  identity,
  cursor,
  chance,
  isElsewhere,
}: DoorbellOptions): Doorbell {
  let rung = cursor;
  let head = cursor;
  let attempts = 0;
  let due = 0;
  let sending = false;
  const isReady = (now: number) => !sending && head > rung && due <= now && !isElsewhere(NO_SUBJECT);
  return {
    rung: () => rung,
    see(seen) {
      head = seen;
    },
    pass(seen) {
      if (rung === head && !sending) rung = seen;
      head = seen;
    },
    due: (now) => (due > now ? due : Number.POSITIVE_INFINITY),
    isReady,
    next(now) {
      if (!isReady(now)) return null;
      sending = true;
      const told = head;
      return {
        message: doorbellMessage(subscription, source, { head: told, identity }),
        events: 0,
        subject: null,
        subjects: [NO_SUBJECT],
        // There is nothing else by which the endpoint could be judged.
        fresh: true,
        isAlone: false,
        settle({ verdict, now: settled }) {
          sending = false;
          if (verdict.kind === "acknowledged") {
            rung = told;
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
