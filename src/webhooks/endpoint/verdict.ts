import { retryAfterMs } from "../../core/retry-after.ts";
import type { EndpointAnswer } from "../egress/outgoing.ts";

/** The meaning of an answer for the delivery and for the endpoint. */
export type Verdict =
  | { readonly kind: "acknowledged" }
  /** The endpoint wants no more deliveries, ever. */
  | { readonly kind: "gone" }
  /**
   * The endpoint is overloaded, perhaps by this delivery alone. `retryAfterMs`: at most the configured limit; 0: not
   * stated.
   */
  | { readonly kind: "overloaded"; readonly retryAfterMs: number; readonly error: string }
  /** The request did not reach the endpoint, so the failure cannot depend on the delivery. */
  | { readonly kind: "unreachable"; readonly error: string }
  /** The endpoint rejected the delivery: a status, a timeout, or a broken connection. */
  | { readonly kind: "refused"; readonly error: string };

/** A longer wait is stored and shown, since operators may ask why nothing is delivered. */
export const LONG_WAIT_MS = 10_000;

/** Statuses with which a server, or a proxy in front of it, reports overload. */
const OVERLOADED = new Set([429, 502, 503, 504]);

export interface JudgeOptions {
  readonly nowMs: number;
  /** The longest `Retry-After` that is honored, in milliseconds. */
  readonly mostRetryAfterMs: number;
}

function overloadedBy(answer: Extract<EndpointAnswer, { kind: "answered" }>, options: JudgeOptions): Verdict {
  const { status, header } = answer;
  const { nowMs, mostRetryAfterMs: mostMs } = options;
  const askedMs = retryAfterMs(header("retry-after"), { date: header("date"), nowMs, mostMs }) ?? 0;
  const isLong = askedMs > LONG_WAIT_MS;
  const error = isLong ? `status ${status}, Retry-After ${Math.ceil(askedMs / 1_000)} s` : `status ${status}`;
  return { kind: "overloaded", retryAfterMs: askedMs, error };
}

/** Judges an answer. Only a 2xx acknowledges; a redirect is not followed, so it does not. */
export function judge(answer: EndpointAnswer, options: JudgeOptions): Verdict {
  if (answer.kind === "failed") {
    return { kind: answer.sent ? "refused" : "unreachable", error: answer.category };
  }
  const { status } = answer;
  const error = `status ${status}`;
  if (status >= 200 && status < 300) return { kind: "acknowledged" };
  if (status === 410) return { kind: "gone" };
  if (OVERLOADED.has(status)) return overloadedBy(answer, options);
  return { kind: "refused", error };
}
