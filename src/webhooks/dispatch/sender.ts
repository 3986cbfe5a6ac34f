import type { Clock } from "../../core/clock.ts";
import type { EndpointAnswer, Send } from "../egress/outgoing.ts";
import type { Attempts } from "../subscriptions/attempts.ts";
import {
  after,
  allowance,
  type Endpoint,
  endpointAtStart,
  freshProbeAt,
  retryAllowance,
  retryRestMs,
} from "../endpoint/endpoint.ts";
import type { TurnKind } from "./lanes.ts";
import type { LeftBehind } from "./left-behind.ts";
import type { PendingDeliveries } from "./pending-deliveries.ts";
import type { PreparedDelivery } from "./prepared-delivery.ts";
import { deliveryRequest, type OpenSecrets } from "../endpoint/request.ts";
import type { EndpointTrouble, SubscriptionRecord } from "../subscriptions/subscription.ts";
import { judge, type Verdict } from "../endpoint/verdict.ts";

/** Sends what an outbox has, as much of it at a time as the endpoint takes. */
export interface Sender {
  endpoint(): Endpoint;
  /** Requests under way. */
  underWay(): number;
  /** When something may be sent, as far as the endpoint is concerned. */
  mayAt(): number;
  /** Sends as much as it may. Gives when it may continue, if that is a matter of time. */
  sendAll(now: number): number | null;
  /** Takes in no more answers. Requests that are still under way are left behind, and cut off if that is asked. */
  end(cutsOff: boolean): void;
}

export interface SenderDeps {
  readonly clock: Clock;
  readonly chance: () => number;
  readonly send: Send;
  readonly secrets: OpenSecrets;
  readonly mostRetryAfterMs: number;
  readonly attempts: Attempts;
  readonly outbox: PendingDeliveries;
  readonly leftBehind: LeftBehind;
  /** Called when the endpoint goes down, and with null when it is back. */
  readonly onTrouble: (trouble: EndpointTrouble | null) => void;
  readonly onSettled: (parcel: PreparedDelivery, verdict: Verdict) => void;
  /** Once it aborts, nothing more is sent: the calls that are left may be just enough to store how far it is. */
  readonly signal: AbortSignal;
  /** Called whenever a request is over. */
  readonly wake: () => void;
  readonly fail: (error: unknown) => void;
}

function errorOf(verdict: Verdict): string | null {
  if (verdict.kind === "acknowledged") return null;
  return verdict.kind === "gone" ? "status 410" : verdict.error;
}

function intervalMs(ratePerMinute: number): number {
  return 60_000 / ratePerMinute;
}

/**
 * When a sender may begin, by the rate that the endpoint allows and the last request of the sender before it. No later than
 * an interval from now: the clock may have been ahead then.
 */
function firstSendMs(ratePerMinute: number | null, lastSentMs: number | null, now: number): number {
  if (ratePerMinute === null || lastSentMs === null) return 0;
  return Math.min(lastSentMs, now) + intervalMs(ratePerMinute);
}

export function createSender(
  deps: SenderDeps,
  { config, trouble: stored }: Pick<SubscriptionRecord, "config" | "trouble">,
): Sender {
  const { clock, chance, attempts, outbox, leftBehind } = deps;
  const { concurrency } = config;
  let endpoint = endpointAtStart(stored, { concurrency, now: clock.now() });
  /** Parcels under way; of those that are left behind, the function that says that they are over. */
  const sending = new Map<PreparedDelivery, (() => void) | null>();
  let retriesUnderWay = 0;
  /** No subject that failed is tried again before. */
  let retryAfter = 0;
  let lastAttempt = 0;
  let nextSend = firstSendMs(config.ratePerMinute, attempts.lastSentMs(), clock.now());
  let hasEnded = false;
  const cut = new AbortController();

  const settle = (parcel: PreparedDelivery, kind: TurnKind, answer: EndpointAnswer) => {
    const now = clock.now();
    const verdict = judge(answer, { nowMs: now, mostRetryAfterMs: deps.mostRetryAfterMs });
    const before = endpoint;
    const { message, subject, fresh, isAlone } = parcel;
    const happening = { verdict, fresh, isAlone, underWay: sending.size, now, chance: chance() };
    endpoint = after(endpoint, happening, concurrency);
    const isDown = endpoint.trouble !== null || endpoint.until > now;
    if ((before.trouble === null) !== (endpoint.trouble === null)) deps.onTrouble(endpoint.trouble);
    const { durationMs } = answer;
    attempts.add({ ended: now, webhookId: message.id, subject, error: errorOf(verdict), durationMs });
    parcel.settle({ verdict, now, isDown });
    if (verdict.kind === "acknowledged") {
      outbox.onSuccess(before.trouble !== null || before.overloaded > 0, now);
    } else if (kind === "retry" && endpoint.trouble === null) {
      retryAfter = now + retryRestMs(endpoint, durationMs);
    }
    deps.onSettled(parcel, verdict);
  };

  const deliver = async (parcel: PreparedDelivery, kind: TurnKind, now: number) => {
    sending.set(parcel, null);
    if (kind === "retry") retriesUnderWay += 1;
    lastAttempt = now;
    try {
      const request = deliveryRequest(config.url, parcel.message, deps.secrets, now);
      const answer = await deps.send(request, cut.signal);
      if (!hasEnded) settle(parcel, kind, answer);
    } finally {
      if (kind === "retry") retriesUnderWay -= 1;
      sending.get(parcel)?.();
      sending.delete(parcel);
      deps.wake();
    }
  };

  /** What can be sent now: of subjects that failed before only as many as their share permits. */
  const nextParcel = (now: number): readonly [PreparedDelivery, TurnKind] | null => {
    const isProbe = endpoint.trouble !== null;
    const mayRetry = retriesUnderWay < retryAllowance(endpoint) && now >= retryAfter;
    const kinds: readonly TurnKind[] = isProbe ? ["fresh", "retry"] : ["retry", "fresh"];
    for (const kind of kinds) {
      const parcel = kind === "fresh" || mayRetry ? outbox.next(now, kind, isProbe) : null;
      if (parcel !== null) return [parcel, kind];
    }
    return null;
  };

  return {
    endpoint: () => endpoint,
    underWay: () => sending.size,
    mayAt: () => freshProbeAt(endpoint, lastAttempt),
    sendAll(now) {
      for (;;) {
        if (deps.signal.aborted) return null;
        if (now < nextSend) return nextSend;
        let next: readonly [PreparedDelivery, TurnKind] | null = null;
        if (sending.size < allowance(endpoint, now)) {
          next = nextParcel(now);
          if (next === null) return outbox.lanes.waiting("retry") > 0 && retryAfter > now ? retryAfter : null;
        } else if (sending.size > 0) {
          return null;
        } else if (freshProbeAt(endpoint, lastAttempt) > now) {
          return freshProbeAt(endpoint, lastAttempt);
        } else {
          const parcel = outbox.next(now, "fresh", true);
          if (parcel === null) return endpoint.until;
          next = [parcel, "fresh"];
        }
        if (config.ratePerMinute !== null) nextSend = now + intervalMs(config.ratePerMinute);
        deliver(...next, now).catch(deps.fail);
      }
    },
    end(cutsOff) {
      hasEnded = true;
      // One function for each: the first that is over must not take the others with it.
      const leave = (parcel: PreparedDelivery) =>
        leftBehind.add(Array.from(parcel.subjects), () => cut.abort());
      for (const parcel of sending.keys()) sending.set(parcel, leave(parcel));
      if (cutsOff) cut.abort();
    },
  };
}
