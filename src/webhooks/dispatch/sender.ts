import type { Span } from "@opentelemetry/api";

import type { Clock } from "../../core/clock.ts";
import type { EndpointAnswer, Outgoing, Send } from "../egress/outgoing.ts";
import type { Attempts } from "../subscriptions/attempts.ts";
import { KEPT_ANSWER } from "../subscriptions/kept-attempts.ts";
import {
  allowance,
  type Endpoint,
  endpointAfter,
  endpointAtStart,
  freshProbeAt,
  retryAllowance,
  retryRestMs,
} from "../endpoint/endpoint.ts";
import { endAttemptSpan, startAttemptSpan } from "./attempt-span.ts";
import type { AttemptKind } from "./lane-table.ts";
import type { LeftBehind } from "./left-behind.ts";
import type { PendingDeliveries } from "./pending-deliveries.ts";
import { keptAttempt } from "./kept-attempt.ts";
import type { PreparedDelivery } from "./prepared-delivery.ts";
import { deliveryRequest, type OpenSecrets } from "../endpoint/request.ts";
import type {
  EndpointTrouble,
  SubscriptionConfig,
  SubscriptionRecord,
} from "../subscriptions/subscription.ts";
import { judge, type Verdict } from "../endpoint/verdict.ts";

/** Sends pending deliveries, as many at a time as the endpoint accepts. */
export interface Sender {
  endpoint(): Endpoint;
  /** Number of requests in flight. */
  inFlight(): number;
  /** When the endpoint may get its next request. */
  nextRequestAt(): number;
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

function attemptError(verdict: Verdict): string | null {
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

/** The subscription that a sender serves. */
type SentSubscription = Pick<SubscriptionRecord, "id" | "log" | "config" | "trouble">;

/** A sender: its parts, and what it remembers. */
interface SenderState {
  readonly deps: SenderDeps;
  readonly subscription: SentSubscription;
  readonly config: SubscriptionConfig;
  endpoint: Endpoint;
  /** Deliveries in flight; for those that are left behind, the function to call when they end. */
  readonly sending: Map<PreparedDelivery, (() => void) | null>;
  retriesInFlight: number;
  /** Earliest time of the next retry of a failed subject. */
  retryAfter: number;
  lastAttempt: number;
  /** Earliest time of the next request, by the rate that the endpoint allows. */
  nextSend: number;
  hasEnded: boolean;
  /** Cuts off the requests in flight. */
  readonly cut: AbortController;
}

/** A request that was sent, and its answer. */
interface Exchange {
  readonly request: Outgoing;
  readonly answer: EndpointAnswer;
}

function settle(state: SenderState, delivery: PreparedDelivery, kind: AttemptKind, exchange: Exchange) {
  const { deps, config, sending } = state;
  const { answer } = exchange;
  const now = deps.clock.now();
  const verdict = judge(answer, { nowMs: now, mostRetryAfterMs: deps.mostRetryAfterMs });
  const before = state.endpoint;
  const { message, subject, fresh, isAlone } = delivery;
  const outcome = { verdict, fresh, isAlone, inFlight: sending.size, now, chance: deps.chance() };
  const endpoint = endpointAfter(before, outcome, config.concurrency);
  state.endpoint = endpoint;
  const isDown = endpoint.trouble !== null || endpoint.until > now;
  if ((before.trouble === null) !== (endpoint.trouble === null)) deps.onTrouble(endpoint.trouble);
  const { durationMs } = answer;
  const attempt = { ended: now, webhookId: message.id, subject, error: attemptError(verdict), durationMs };
  deps.attempts.add(attempt, () => keptAttempt(attempt, delivery, exchange, config.filter.subjectPrefix));
  delivery.settle({ verdict, now, isDown });
  if (verdict.kind === "acknowledged") {
    deps.deliveries.onSuccess(before.trouble !== null || before.overloaded > 0, now);
  } else if (kind === "retry" && endpoint.trouble === null) {
    state.retryAfter = now + retryRestMs(endpoint, durationMs);
  }
  deps.onSettled(delivery, verdict);
}

async function send(state: SenderState, delivery: PreparedDelivery, kind: AttemptKind, now: number) {
  const { deps, config, sending } = state;
  sending.set(delivery, null);
  if (kind === "retry") state.retriesInFlight += 1;
  state.lastAttempt = now;
  let traced: Span | null = null;
  let answer: EndpointAnswer | null = null;
  try {
    const outgoing = deliveryRequest(config.url, delivery.message, deps.secrets, now);
    if ((config.keepAttempts ?? 0) > 0) outgoing.keptBytes = KEPT_ANSWER;
    const { request, span } = startAttemptSpan(outgoing, delivery, state.subscription);
    traced = span;
    answer = await deps.send(request, state.cut.signal);
    if (!state.hasEnded) settle(state, delivery, kind, { request, answer });
  } finally {
    endAttemptSpan(traced, answer);
    if (kind === "retry") state.retriesInFlight -= 1;
    sending.get(delivery)?.();
    sending.delete(delivery);
    deps.wake();
  }
}

/** A delivery to send now; or when to continue, if that depends on time (null: it does not). */
type NextSend =
  | { readonly delivery: PreparedDelivery; readonly kind: AttemptKind }
  | { readonly delivery: null; readonly continueAt: number | null };

/** The next delivery within the window: subjects that failed before get only their share. */
function nextInWindow(state: SenderState, now: number): NextSend {
  const { deps, endpoint, retryAfter } = state;
  const isProbe = endpoint.trouble !== null;
  const mayRetry = state.retriesInFlight < retryAllowance(endpoint) && now >= retryAfter;
  const kinds: readonly AttemptKind[] = isProbe ? ["fresh", "retry"] : ["retry", "fresh"];
  for (const kind of kinds) {
    const delivery = kind === "fresh" || mayRetry ? deps.deliveries.next(now, kind, isProbe) : null;
    if (delivery !== null) return { delivery, kind };
  }
  const isResting = deps.deliveries.lanes.queued("retry") > 0 && retryAfter > now;
  return { delivery: null, continueAt: isResting ? retryAfter : null };
}

/** The next delivery to an endpoint that is down and gets no request yet, except a probe with a fresh subject. */
function nextProbe({ deps, endpoint, lastAttempt }: SenderState, now: number): NextSend {
  const probeAt = freshProbeAt(endpoint, lastAttempt);
  if (probeAt > now) return { delivery: null, continueAt: probeAt };
  const delivery = deps.deliveries.next(now, "fresh", true);
  return delivery === null ? { delivery, continueAt: endpoint.until } : { delivery, kind: "fresh" };
}

function nextToSend(state: SenderState, now: number): NextSend {
  if (now < state.nextSend) return { delivery: null, continueAt: state.nextSend };
  const { size } = state.sending;
  if (size < allowance(state.endpoint, now)) return nextInWindow(state, now);
  return size > 0 ? { delivery: null, continueAt: null } : nextProbe(state, now);
}

function sendAll(state: SenderState, now: number): number | null {
  const { deps, config } = state;
  while (!deps.signal.aborted) {
    const next = nextToSend(state, now);
    if (next.delivery === null) return next.continueAt;
    if (config.ratePerMinute !== null) state.nextSend = now + intervalMs(config.ratePerMinute);
    send(state, next.delivery, next.kind, now).catch(deps.fail);
  }
  return null;
}

export function createSender(deps: SenderDeps, subscription: SentSubscription): Sender {
  const { config, trouble } = subscription;
  const { clock, attempts, leftBehind } = deps;
  const now = clock.now();
  const state: SenderState = {
    deps,
    subscription,
    config,
    endpoint: endpointAtStart(trouble, { concurrency: config.concurrency, now }),
    sending: new Map(),
    retriesInFlight: 0,
    retryAfter: 0,
    lastAttempt: 0,
    nextSend: firstSendMs(config.ratePerMinute, attempts.lastSentMs(), now),
    hasEnded: false,
    cut: new AbortController(),
  };
  const { sending, cut } = state;
  return {
    endpoint: () => state.endpoint,
    inFlight: () => sending.size,
    nextRequestAt: () => freshProbeAt(state.endpoint, state.lastAttempt),
    sendAll: (at) => sendAll(state, at),
    end(cutsOff) {
      state.hasEnded = true;
      // One function for each: the first request that ends must not end the others.
      const leave = (delivery: PreparedDelivery) =>
        leftBehind.add(Array.from(delivery.subjects), () => cut.abort());
      for (const delivery of sending.keys()) sending.set(delivery, leave(delivery));
      if (cutsOff) cut.abort();
    },
  };
}
