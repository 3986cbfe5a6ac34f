import type { Clock } from "../../core/clock.ts";
import { KildeError } from "../../core/errors.ts";
import { createRequestRate, type RateState, type RequestRate } from "../../core/request-rate.ts";
import type { Authenticate, IdentifiedSender } from "./authentication.ts";
import { addressKey } from "./sender-address.ts";

/** Failures of authentication from one address: so many at once, and then one for each interval. */
const FAILURES = { burst: 20, intervalMs: 3_000 };

/** Senders remembered at once: some megabytes, whatever the number of addresses that an attacker has. */
const MOST_SENDERS = 10_000;

/** The senders of a store, as far as they are limited. It is plain data. */
export interface SenderRates {
  readonly failures: RequestRate;
  /** Null: requests are not limited. */
  readonly requests: RequestRate | null;
}

export function createSenderRates(requestsPerSecond: number): SenderRates {
  const requests =
    requestsPerSecond === 0
      ? null
      : createRequestRate({
          intervalMs: 1_000 / requestsPerSecond,
          burst: requestsPerSecond,
          mostSenders: MOST_SENDERS,
        });
  return { failures: createRequestRate({ ...FAILURES, mostSenders: MOST_SENDERS }), requests };
}

export interface SenderLimitsOptions {
  readonly rates: SenderRates;
  readonly clock: Pick<Clock, "monotonic">;
  /** The address that a request came from; null: unknown, and its failures are not limited. */
  readonly addressOf: (request: Request) => string | null;
}

function seconds(milliseconds: number): number {
  return Math.max(1, Math.ceil(milliseconds / 1_000));
}

/** The value of `RateLimit`, as the draft of the IETF defines it (draft-ietf-httpapi-ratelimit-headers-10). */
function rateLimit({ isWithin, left, waitMs, resetMs }: RateState): string {
  // Where an answer has `Retry-After` too, both name the same point in time.
  return `"requests";r=${left};t=${seconds(isWithin ? resetMs : waitMs)}`;
}

/** States the rate of a sender in an answer. */
export function stateRate(headers: Headers, rate: RateState): void {
  headers.set("RateLimit-Policy", `"requests";q=${rate.burst};w=1`);
  headers.set("RateLimit", rateLimit(rate));
}

/**
 * Limits the failed attempts to authenticate by address, and the requests of a principal by its name. Credentials are
 * verified first, so failures from an address never keep valid credentials out. Neither limit applies to operations that
 * need no credentials.
 */
export function limitSenders(
  authenticate: Authenticate,
  { rates: { failures, requests }, clock, addressOf }: SenderLimitsOptions,
): Authenticate {
  const limitFailure = (request: Request, sender: IdentifiedSender): IdentifiedSender => {
    const address = addressOf(request);
    if (address === null) return sender;
    const { waitMs, isWithin } = failures.count(addressKey(address), clock.monotonic());
    if (isWithin) return sender;
    const detail = "Too many requests from this address had credentials that are not valid";
    const refusal = new KildeError("too-many-failures", detail, { retryAfterSeconds: seconds(waitMs) });
    return { ...sender, refusal };
  };

  const limitRequests = (sender: IdentifiedSender, name: string, rate: RequestRate): IdentifiedSender => {
    const state = rate.count(name, clock.monotonic());
    if (state.isWithin) return { ...sender, rate: state };
    const detail = `${name} sends more requests than limits.requestsPerSecond allows`;
    const members = { limit: "requestsPerSecond", retryAfterSeconds: seconds(state.waitMs) };
    return { ...sender, rate: state, refusal: new KildeError("too-many-requests", detail, members) };
  };

  const limited = (request: Request, sender: IdentifiedSender): IdentifiedSender => {
    const { principal, refusal } = sender;
    if (refusal?.members.credentials === "invalid") return limitFailure(request, sender);
    if (requests === null || principal.name === null || refusal !== null) return sender;
    return limitRequests(sender, principal.name, requests);
  };

  return (request) => {
    const sender = authenticate(request);
    return sender instanceof Promise
      ? sender.then((identified) => limited(request, identified))
      : limited(request, sender);
  };
}
