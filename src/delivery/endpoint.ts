import type { EndpointTrouble } from "./subscription.ts";
import { LONG_WAIT_MS, type Verdict } from "./verdict.ts";

/*
 * How an endpoint as a whole fares, and how much of it is asked at a time. Pure: a state and what happened in, the
 * next state out.
 *
 * The window grows by one a round while all is well, and is halved when the endpoint says that it is too much (AIMD).
 * An endpoint that fails as a whole is left alone for longer and longer, then probed with one request; one that
 * succeeds doubles the window until it is what it was allowed to be (slow start).
 */

export interface Endpoint {
  /** Requests that may be under way; a fraction while it grows. */
  readonly window: number;
  readonly slowStart: boolean;
  /** Failures since the last success that speak against the endpoint, and not against what was sent. */
  readonly unreachable: number;
  /** Deliveries that failed at their first attempt since the last success, each of another subject. */
  readonly refused: number;
  /** Times in a row that it said it was overloaded. */
  readonly overloaded: number;
  /** Not before; milliseconds since 1970, 0: at once. */
  readonly until: number;
  /** It is down, and what is sent next is a probe. */
  readonly trouble: EndpointTrouble | null;
}

/** Failures in a row that mean that it is the endpoint. */
const UNREACHABLE_MOST = 3;
const REFUSED_MOST = 5;

/** How long an endpoint that is down is left alone, by the number of the probe. */
const PROBE_DELAYS_MS = [5, 30, 120, 300, 900, 1_800, 3_600].map((seconds) => seconds * 1_000);

/**
 * An endpoint that is down but answers may be so for what it was sent: an event of a subject that has not failed
 * waits for a probe no longer than this.
 */
const FRESH_PROBE_MS = 5_000;

const OVERLOADED_FIRST_MS = 1_000;
const OVERLOADED_LAST_MS = 60_000;

/** Requests that a subscription begins with. */
const FIRST_WINDOW = 4;

/** Longest pause before a probe, with all of its jitter. */
const LAST_PROBE_MS = 1.2 * 3_600_000;

/** An endpoint as it was stored. One that waits for longer than it was to wait is tried now: the clock was ahead then. */
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
    overloaded: trouble?.isOverloaded === true ? 1 : 0,
    until: trouble?.until ?? 0,
    trouble,
  };
}

/** How many requests may be under way now. */
export function allowance({ window, until, trouble }: Endpoint, now: number): number {
  if (until > now) return 0;
  return trouble === null ? Math.floor(window) : 1;
}

/** When an event that has not failed may be sent, though the endpoint is down. */
export function freshProbeAt({ until, trouble }: Endpoint, lastAttemptMs: number): number {
  return trouble === null || trouble.isOverloaded === true || !trouble.error.startsWith("status")
    ? until
    : Math.min(until, lastAttemptMs + FRESH_PROBE_MS);
}

export interface Happening {
  readonly verdict: Verdict;
  /** Whether the subject had not failed before. */
  readonly fresh: boolean;
  /** Whether what was sent is about one subject, which can wait alone. */
  readonly isOfOneSubject: boolean;
  /** Requests that were under way. */
  readonly underWay: number;
  readonly now: number;
  /** From 0 up to 1, by chance. */
  readonly chance: number;
}

function down(endpoint: Endpoint, error: string, { now, chance }: Happening): Endpoint {
  const attempts = endpoint.trouble?.attempts ?? 0;
  const delay = PROBE_DELAYS_MS[Math.min(attempts, PROBE_DELAYS_MS.length - 1)] ?? 0;
  const waitMs = Math.round(delay * (0.8 + 0.4 * chance));
  const until = now + waitMs;
  const since = endpoint.trouble?.since ?? new Date(now).toISOString();
  const isOverloaded = false;
  return {
    ...endpoint,
    until,
    trouble: { attempts: attempts + 1, until, waitMs, isOverloaded, error, since },
  };
}

/** Leaves an endpoint alone that asked for less. A long wait is stored, and shown. */
function paused(endpoint: Endpoint, waitMs: number, error: string, now: number): Endpoint {
  const until = now + waitMs;
  if (endpoint.trouble === null && waitMs <= LONG_WAIT_MS) return { ...endpoint, until };
  const { attempts = 0, since = new Date(now).toISOString() } = endpoint.trouble ?? {};
  return { ...endpoint, until, trouble: { attempts, until, waitMs, isOverloaded: true, error, since } };
}

/** The endpoint after it asked for less. */
function afterOverload(
  endpoint: Endpoint,
  { retryAfterMs, error }: Extract<Verdict, { kind: "overloaded" }>,
  { isOfOneSubject, now, chance }: Happening,
): Endpoint {
  const isUnderWay = endpoint.until > now;
  // A long wait is perhaps meant for one subject, until another is answered in the same way.
  const isForAll = !isOfOneSubject || retryAfterMs <= LONG_WAIT_MS || isUnderWay || endpoint.overloaded > 0;
  const askedMs = isForAll ? retryAfterMs : 0;
  // Those that were under way together count once, but none of them is undercut.
  if (isUnderWay) return now + askedMs > endpoint.until ? paused(endpoint, askedMs, error, now) : endpoint;
  const backoff = Math.min(OVERLOADED_LAST_MS, OVERLOADED_FIRST_MS * 2 ** endpoint.overloaded);
  const waitMs = Math.max(askedMs, Math.round(backoff * (0.5 + chance / 2)));
  const slower = {
    ...endpoint,
    window: Math.max(1, endpoint.window / 2),
    slowStart: false,
    overloaded: endpoint.overloaded + 1,
  };
  return paused(slower, waitMs, error, now);
}

/** The endpoint after an answer. */
export function after(endpoint: Endpoint, happening: Happening, concurrency: number): Endpoint {
  const { verdict, fresh, underWay, now } = happening;
  switch (verdict.kind) {
    case "gone":
      return endpoint;
    case "acknowledged": {
      if (endpoint.trouble?.isOverloaded === true)
        return { ...endpoint, unreachable: 0, refused: 0, overloaded: 0, until: 0, trouble: null };
      if (endpoint.trouble !== null) return { ...endpointAtStart(null, { concurrency, now }), window: 2 };
      const healthy = endpoint.unreachable + endpoint.refused + endpoint.overloaded === 0;
      const calm = healthy ? endpoint : { ...endpoint, unreachable: 0, refused: 0, overloaded: 0 };
      // What is not used up need not grow.
      if (underWay < Math.floor(endpoint.window) || endpoint.window >= concurrency) return calm;
      const grown = endpoint.slowStart ? endpoint.window * 2 : endpoint.window + 1 / endpoint.window;
      return { ...calm, window: Math.min(concurrency, grown) };
    }
    case "overloaded":
      return afterOverload(endpoint, verdict, happening);
    case "unreachable": {
      const unreachable = endpoint.unreachable + 1;
      const next = { ...endpoint, unreachable };
      // Those that were under way when it went down say nothing new.
      if (endpoint.trouble !== null && endpoint.until > now) return next;
      return endpoint.trouble !== null || unreachable >= UNREACHABLE_MOST
        ? down(next, verdict.error, happening)
        : next;
    }
    case "refused": {
      const refused = endpoint.refused + (fresh ? 1 : 0);
      const next = { ...endpoint, refused };
      if (endpoint.trouble !== null)
        return endpoint.until > now ? next : down(next, verdict.error, happening);
      return fresh && refused >= REFUSED_MOST ? down(next, verdict.error, happening) : next;
    }
  }
}

const RETRY_FIRST_MS = 1_000;
export const RETRY_LAST_MS = 60_000;

/** How long a subject waits after so many failed attempts: 1 s, 2 s, 4 s … 60 s, with full jitter. */
export function retryDelay(attempts: number, chance: number): number {
  return Math.ceil(Math.min(RETRY_LAST_MS, RETRY_FIRST_MS * 2 ** (attempts - 1)) * (1 - chance));
}
