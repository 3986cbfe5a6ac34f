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
import type { AttemptKind } from "./lanes.ts";
import type { LeftBehind } from "./left-behind.ts";
import type { PendingDeliveries } from "./pending-deliveries.ts";
import type { PreparedDelivery } from "./prepared-delivery.ts";
import { deliveryRequest, type OpenSecrets } from "../endpoint/request.ts";
import type { EndpointTrouble, SubscriptionRecord } from "../subscriptions/subscription.ts";
import { judge, type Verdict } from "../endpoint/verdict.ts";

/** Sends pending deliveries, as many at a time as the endpoint accepts. */
export interface Sender {
  endpoint(): Endpoint;
  /** Number of requests in flight. */
  underWay(): number;
  /** When the endpoint may get its next request. */
  mayAt(): number;
  /** Sends as many deliveries as it may. Returns when it may continue, if that depends on time. */
  sendAll(now: number): number | null;
  /** Accepts no more answers. Requests in flight are left behind, and cut off on demand. */
  end(cutsOff: boolean): void;
}

export interface SenderDeps {
  readonly clock: Clock;
  readonly chance: () => number;
  readonly send: Send;
  readonly secrets: OpenSecrets;
  readonly mostRetryAfterMs: number;
  readonly attempts: Attempts;
  readonly deliveries: PendingDeliveries;
  readonly leftBehind: LeftBehind;
  /** Called when the endpoint goes down, and with null when it is up again. */
  readonly onTrouble: (trouble: EndpointTrouble | null) => void;
  readonly onSettled: (delivery: PreparedDelivery, verdict: Verdict) => void;
  /** Once it aborts, nothing more is sent: the remaining calls may be just enough to store progress. */
  readonly signal: AbortSignal;
  /** Called whenever a request ends. */
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
 * When a sender may start, given the rate that the endpoint allows and the last request of the previous sender. At most
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
  const { clock, chance, attempts, deliveries, leftBehind } = deps;
  const { concurrency } = config;
  let endpoint = endpointAtStart(stored, { concurrency, now: clock.now() });
  /** Deliveries in flight; for those that are left behind, the function to call when they end. */
  const sending = new Map<PreparedDelivery, (() => void) | null>();
  let retriesUnderWay = 0;
  /** Earliest time of the next retry of a failed subject. */
  let retryAfter = 0;
  let lastAttempt = 0;
  let nextSend = firstSendMs(config.ratePerMinute, attempts.lastSentMs(), clock.now());
  let hasEnded = false;
  const cut = new AbortController();

  const settle = (delivery: PreparedDelivery, kind: AttemptKind, answer: EndpointAnswer) => {
    const now = clock.now();
    const verdict = judge(answer, { nowMs: now, mostRetryAfterMs: deps.mostRetryAfterMs });
    const before = endpoint;
    const { message, subject, fresh, isAlone } = delivery;
    const happening = { verdict, fresh, isAlone, underWay: sending.size, now, chance: chance() };
    endpoint = after(endpoint, happening, concurrency);
    const isDown = endpoint.trouble !== null || endpoint.until > now;
    if ((before.trouble === null) !== (endpoint.trouble === null)) deps.onTrouble(endpoint.trouble);
    const { durationMs } = answer;
    attempts.add({ ended: now, webhookId: message.id, subject, error: errorOf(verdict), durationMs });
    delivery.settle({ verdict, now, isDown });
    if (verdict.kind === "acknowledged") {
      deliveries.onSuccess(before.trouble !== null || before.overloaded > 0, now);
    } else if (kind === "retry" && endpoint.trouble === null) {
      retryAfter = now + retryRestMs(endpoint, durationMs);
    }
    deps.onSettled(delivery, verdict);
  };

  const deliver = async (delivery: PreparedDelivery, kind: AttemptKind, now: number) => {
    sending.set(delivery, null);
    if (kind === "retry") retriesUnderWay += 1;
    lastAttempt = now;
    try {
      const request = deliveryRequest(config.url, delivery.message, deps.secrets, now);
      const answer = await deps.send(request, cut.signal);
      if (!hasEnded) settle(delivery, kind, answer);
    } finally {
      if (kind === "retry") retriesUnderWay -= 1;
      sending.get(delivery)?.();
      sending.delete(delivery);
      deps.wake();
    }
  };

  /** The next delivery: subjects that failed before get only their share. */
  const nextDelivery = (now: number): readonly [PreparedDelivery, AttemptKind] | null => {
    const isProbe = endpoint.trouble !== null;
    const mayRetry = retriesUnderWay < retryAllowance(endpoint) && now >= retryAfter;
    const kinds: readonly AttemptKind[] = isProbe ? ["fresh", "retry"] : ["retry", "fresh"];
    for (const kind of kinds) {
      const delivery = kind === "fresh" || mayRetry ? deliveries.next(now, kind, isProbe) : null;
      if (delivery !== null) return [delivery, kind];
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
        let next: readonly [PreparedDelivery, AttemptKind] | null = null;
        if (sending.size < allowance(endpoint, now)) {
          next = nextDelivery(now);
          if (next === null)
            return deliveries.lanes.waiting("retry") > 0 && retryAfter > now ? retryAfter : null;
        } else if (sending.size > 0) {
          return null;
        } else if (freshProbeAt(endpoint, lastAttempt) > now) {
          return freshProbeAt(endpoint, lastAttempt);
        } else {
          const delivery = deliveries.next(now, "fresh", true);
          if (delivery === null) return endpoint.until;
          next = [delivery, "fresh"];
        }
        if (config.ratePerMinute !== null) nextSend = now + intervalMs(config.ratePerMinute);
        deliver(...next, now).catch(deps.fail);
      }
    },
    end(cutsOff) {
      hasEnded = true;
      // One function for each: the first request that ends must not end the others.
      const leave = (delivery: PreparedDelivery) =>
        leftBehind.add(Array.from(delivery.subjects), () => cut.abort());
      for (const delivery of sending.keys()) sending.set(delivery, leave(delivery));
      if (cutsOff) cut.abort();
    },
  };
}
