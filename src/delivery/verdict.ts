import type { Answer } from "../egress/outgoing.ts";

/** What an answer means for what was delivered, and for the endpoint. */
export type Verdict =
  | { readonly kind: "acknowledged" }
  /** It wants no more, ever. */
  | { readonly kind: "gone" }
  /** It wants less: nothing is wrong with what was sent. */
  | { readonly kind: "overloaded"; readonly retryAfterMs: number | null; readonly error: string }
  /** Nothing was heard of it: nothing is known to be wrong with what was sent. */
  | { readonly kind: "unreachable"; readonly error: string }
  /** It answered, and did not take it. */
  | { readonly kind: "refused"; readonly error: string };

/** Statuses by which a server, or a proxy before it, says that it has too much to do. */
const OVERLOADED = new Set([429, 502, 503, 504]);

/** `Retry-After` (RFC 9110 §10.2.3), seconds or a date, as milliseconds from now; null when it has neither. */
export function retryAfterMs(value: string | null, now: number): number | null {
  if (value === null) return null;
  const text = value.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1_000;
  const time = Date.parse(text);
  return Number.isNaN(time) ? null : Math.max(0, time - now);
}

/** Judges an answer. Only a 2xx acknowledges; a redirect is not followed, so it does not. */
export function judge(answer: Answer, now: number): Verdict {
  if (answer.kind === "failed") {
    // A timeout may well be for what was sent: the next one may be quick.
    return answer.category === "timeout"
      ? { kind: "refused", error: "timeout" }
      : { kind: "unreachable", error: answer.category };
  }
  const { status, header } = answer;
  const error = `status ${status}`;
  if (status >= 200 && status < 300) return { kind: "acknowledged" };
  if (status === 410) return { kind: "gone" };
  if (OVERLOADED.has(status))
    return { kind: "overloaded", retryAfterMs: retryAfterMs(header("retry-after"), now), error };
  return { kind: "refused", error };
}
