import type { EndpointTrouble } from "../subscriptions/subscription.ts";
import { LONG_WAIT_MS, type Verdict } from "./verdict.ts";

/*
 * The health of an endpoint, and how many requests it gets at a time. Pure: a state and an outcome in, the next state
 * out.
 *
 * A failure may be caused by the endpoint or by the one event that was sent, whatever its form: a poison event behind a
 * proxy answers 502, one that crashes the receiver resets the connection. So the endpoint is judged by several
 * subjects: only the first failure of a subject counts, and a success counts against it. Subjects that are known to
 * fail are retried on their own schedule (`retryDelay`), within a quarter of the window.
 *
 * The window grows by one a round while requests succeed, and is halved when the endpoint reports overload (AIMD). An
 * endpoint that fails as a whole is paused for longer and longer, then probed with one request. One that succeeds
 * doubles the window until it is as large as before (slow start).
 */

export interface Endpoint {
  /** Requests that may be in flight; a fraction while it grows. */
  readonly window: number;
  readonly slowStart: boolean;
  /** Requests since the last success that did not reach the endpoint. */
  readonly unreachable: number;
  /** First failures of subjects since the last success. */
  readonly refused: number;
  /** Subjects whose first attempt it answered with overload; each success subtracts {@link STRIKE_DECAY}. */
  readonly strikes: number;
  /** Consecutive pauses since it reported overload. */
  readonly overloaded: number;
  /** Failed probes since it went down. */
  readonly failedProbes: number;
  /** Earliest next request, in milliseconds since 1970; 0: at once. */
  readonly until: number;
  /** Null: it is up. Otherwise it is down, and the next request is a probe. */
  readonly trouble: EndpointTrouble | null;
}

/** Failures after which the endpoint counts as down. */
const UNREACHABLE_MOST = 3;
const REFUSED_MOST = 10;
const STRIKES_MOST = 3;
/** An endpoint that rejects more than a fifth of its requests is slowed down, and one with a few bad events is not. */
const STRIKE_DECAY = 0.25;

/** How long an endpoint that is down is paused, by the number of the probe. */
const PROBE_DELAYS_MS = [5, 30, 120, 300, 900, 1_800, 3_600].map((seconds) => seconds * 1_000);

/**
 * An endpoint that is down but reachable may have failed because of the events: an event of a subject that has not
 * failed is a probe of its own. The pause before it doubles with each failed probe, from the first to the last.
 */
const FRESH_PROBE_FIRST_MS = 50;
const FRESH_PROBE_LAST_MS = 5_000;

const OVERLOADED_FIRST_MS = 1_000;
const OVERLOADED_LAST_MS = 60_000;

/** Requests that a subscription starts with. */
const FIRST_WINDOW = 4;

/** Longest pause before a probe, with all of its jitter. */
const LAST_PROBE_MS = 1.2 * 3_600_000;

/**
 * Restores a stored endpoint. One that waits beyond its stored wait is tried now: the clock was ahead when it was
 * stored.
 */
export function endpointAtStart(
  stored: EndpointTrouble | null,
  { concurrency, now }: { readonly concurrency: number; readonly now: number },
): Endpoint {
  const isVoid = stored !== null && stored.until > now + (stored.waitMs ?? LAST_PROBE_MS);
  const trouble = isVoid ? { ...stored, until: now } : stored;
  return {
    window: Math.min(FIRST_WINDOW, concurrency),
    slowStart: true,
    unreachable: 0,
    refused: 0,
    strikes: 0,
    overloaded: trouble?.isOverloaded === true ? 1 : 0,
    failedProbes: trouble?.attempts ?? 0,
    until: trouble?.until ?? 0,
    trouble,
  };
}

/** How many requests may be in flight now. */
export function allowance({ window, until, trouble }: Endpoint, now: number): number {
  if (until > now) return 0;
  return trouble === null ? Math.floor(window) : 1;
}

/**
 * How many of these may be retries of subjects that failed before: a quarter, so that the other subjects have the rest.
 */
export function retryAllowance({ window }: Endpoint): number {
  return Math.max(1, Math.floor(window / 4));
}

/**
 * Pause between retries of failed subjects after such a request, in milliseconds. A window without a whole quarter is
 * shared in time: the pause is three times as long as the request took.
 */
export function retryRestMs({ window }: Endpoint, durationMs: number): number {
  return window < 4 ? 3 * durationMs : 0;
}

/** When an event of a subject that has not failed may be sent while the endpoint is down. */
export function freshProbeAt({ until, trouble, failedProbes }: Endpoint, lastAttemptMs: number): number {
  if (trouble === null || trouble.isOverloaded === true || trouble.isUnreachable === true) return until;
  const pauseMs = Math.min(FRESH_PROBE_LAST_MS, FRESH_PROBE_FIRST_MS * 2 ** failedProbes);
  return Math.min(until, lastAttemptMs + pauseMs);
}

/** The outcome of a request, and the circumstances that decide how it reflects on the endpoint. */
export interface EndpointOutcome {
  readonly verdict: Verdict;
  /** Whether the subject had not failed before. */
  readonly fresh: boolean;
  /** Whether the failed delivery can wait without blocking others. */
  readonly isAlone: boolean;
  /** Requests that were in flight. */
  readonly inFlight: number;
  readonly now: number;
  /** Random number, from 0 up to 1. */
  readonly chance: number;
}

function down(endpoint: Endpoint, error: string, { verdict, now, chance }: EndpointOutcome): Endpoint {
  const attempts = endpoint.trouble?.attempts ?? 0;
  const delay = PROBE_DELAYS_MS[Math.min(attempts, PROBE_DELAYS_MS.length - 1)] ?? 0;
  const waitMs = Math.round(delay * (0.8 + 0.4 * chance));
  const until = now + waitMs;
  const since = endpoint.trouble?.since ?? new Date(now).toISOString();
  const isUnreachable = verdict.kind === "unreachable";
  return {
    ...endpoint,
    until,
    failedProbes: attempts === 0 ? 0 : endpoint.failedProbes,
    trouble: { attempts: attempts + 1, until, waitMs, isOverloaded: false, isUnreachable, error, since },
  };
}

/** Pauses an endpoint that reported overload. A long wait is stored, and shown. */
function paused(endpoint: Endpoint, waitMs: number, error: string, now: number): Endpoint {
  const until = now + waitMs;
  if (endpoint.trouble === null && waitMs <= LONG_WAIT_MS) return { ...endpoint, until };
  const { attempts = 0, since = new Date(now).toISOString() } = endpoint.trouble ?? {};
  return { ...endpoint, until, trouble: { attempts, until, waitMs, isOverloaded: true, error, since } };
}

/** The endpoint after a request that it rejected, or that did not reach it. `isOften`: several such requests failed. */
function afterFailure(
  endpoint: Endpoint,
  error: string,
  isOften: boolean,
  outcome: EndpointOutcome,
): Endpoint {
  if (endpoint.trouble === null) return isOften ? down(endpoint, error, outcome) : endpoint;
  const probed = { ...endpoint, failedProbes: endpoint.failedProbes + 1 };
  // Requests that were in flight when it went down add no information.
  return endpoint.until > outcome.now ? probed : down(probed, error, outcome);
}

/** The endpoint after an answer that reports overload. */
function afterOverload(
  endpoint: Endpoint,
  { retryAfterMs, error }: Extract<Verdict, { kind: "overloaded" }>,
  outcome: EndpointOutcome,
): Endpoint {
  const { fresh, isAlone, now, chance } = outcome;
  const strikes = endpoint.strikes + (fresh ? 1 : 0);
  const isPaused =
    endpoint.until > now && (endpoint.trouble === null || endpoint.trouble.isOverloaded === true);
  // Answers to requests that were in flight together count once, but the longest wait among them applies.
  if (isPaused) {
    return now + retryAfterMs > endpoint.until ? paused(endpoint, retryAfterMs, error, now) : endpoint;
  }
  // The overload may concern this subject alone: others are sent until enough of them are answered alike.
  const isForAll = !isAlone || endpoint.trouble !== null || (fresh && strikes >= STRIKES_MOST);
  if (!isForAll) return { ...endpoint, strikes };
  if (endpoint.trouble !== null && retryAfterMs === 0) return afterFailure(endpoint, error, true, outcome);
  const backoff = Math.min(OVERLOADED_LAST_MS, OVERLOADED_FIRST_MS * 2 ** endpoint.overloaded);
  const waitMs = Math.max(retryAfterMs, Math.round(backoff * (0.5 + chance / 2)));
  const slower = {
    ...endpoint,
    window: Math.max(1, endpoint.window / 2),
    slowStart: false,
    strikes: 0,
    overloaded: endpoint.overloaded + 1,
  };
  return paused(slower, waitMs, error, now);
}

function afterSuccess(endpoint: Endpoint, { inFlight, now }: EndpointOutcome, concurrency: number): Endpoint {
  const { trouble, unreachable, refused, strikes, overloaded } = endpoint;
  const recovered = {
    ...endpoint,
    unreachable: 0,
    refused: 0,
    strikes: Math.max(0, strikes - STRIKE_DECAY),
    overloaded: 0,
  };
  if (trouble?.isOverloaded === true) return { ...recovered, failedProbes: 0, until: 0, trouble: null };
  if (trouble !== null)
    return { ...endpointAtStart(null, { concurrency, now }), window: Math.min(2, concurrency) };
  const healthy = unreachable + refused + strikes + overloaded === 0 ? endpoint : recovered;
  // A window that is not used up need not grow.
  if (inFlight < Math.floor(endpoint.window) || endpoint.window >= concurrency) return healthy;
  const grown = endpoint.slowStart ? endpoint.window * 2 : endpoint.window + 1 / endpoint.window;
  return { ...healthy, window: Math.min(concurrency, grown) };
}

/** The endpoint after an outcome. */
export function endpointAfter(endpoint: Endpoint, outcome: EndpointOutcome, concurrency: number): Endpoint {
  const { verdict, fresh } = outcome;
  switch (verdict.kind) {
    case "gone":
      return endpoint;
    case "acknowledged":
      return afterSuccess(endpoint, outcome, concurrency);
    case "overloaded":
      return afterOverload(endpoint, verdict, outcome);
    case "unreachable": {
      const next = { ...endpoint, unreachable: endpoint.unreachable + 1 };
      return afterFailure(next, verdict.error, next.unreachable >= UNREACHABLE_MOST, outcome);
    }
    case "refused": {
      const next = { ...endpoint, refused: endpoint.refused + (fresh ? 1 : 0) };
      return afterFailure(next, verdict.error, fresh && next.refused >= REFUSED_MOST, outcome);
    }
  }
}

const RETRY_FIRST_MS = 1_000;
export const RETRY_LAST_MS = 60_000;

/** Average retries per second over all failing subjects: with more subjects, each waits longer. */
const RETRIES_PER_SECOND = 100;

/**
 * How long a subject waits after `attempts` failures, in milliseconds: 1 s, 2 s, 4 s … 60 s, with full jitter; at least
 * as long as retrying the `others` that wait takes.
 */
export function retryDelay(attempts: number, chance: number, others = 0): number {
  const longest = Math.min(RETRY_LAST_MS, RETRY_FIRST_MS * 2 ** (attempts - 1));
  const turnMs = (others * 1_000) / RETRIES_PER_SECOND;
  return Math.ceil(Math.max(longest * (1 - chance), turnMs * (1 - chance / 2)));
}
