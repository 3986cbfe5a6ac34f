/* `Retry-After` (RFC 9110 §10.2.3): seconds, or an HTTP date (§5.6.7) in any of its three forms. */

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** `Sun, 06 Nov 1994 08:49:37 GMT` */
const IMF_FIXDATE = /^[A-Z][a-z]{2}, (\d{2}) ([A-Z][a-z]{2}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT$/;
/** `Sunday, 06-Nov-94 08:49:37 GMT` */
const RFC_850 = /^[A-Z][a-z]{5,8}, (\d{2})-([A-Z][a-z]{2})-(\d{2}) (\d{2}):(\d{2}):(\d{2}) GMT$/;
/** `Sun Nov  6 08:49:37 1994` */
const ASCTIME = /^[A-Z][a-z]{2} ([A-Z][a-z]{2}) ([ \d]\d) (\d{2}):(\d{2}):(\d{2}) (\d{4})$/;

const FIFTY_YEARS = 50;

type Fields = readonly [day: string, month: string, year: string, ...time: string[]];

function fieldsOf(text: string, nowMs: number): Fields | null {
  const fixed = IMF_FIXDATE.exec(text);
  if (fixed !== null) return fixed.slice(1) as unknown as Fields;
  const asctime = ASCTIME.exec(text);
  if (asctime !== null) {
    const [, month = "", day = "", hour = "", minute = "", second = "", year = ""] = asctime;
    return [day, month, year, hour, minute, second];
  }
  const rfc850 = RFC_850.exec(text);
  if (rfc850 === null) return null;
  const [, day = "", month = "", short = "", ...time] = rfc850;
  // RFC 9110: a two-digit year more than 50 years ahead is in the past.
  const thisYear = new Date(nowMs).getUTCFullYear();
  const year = Math.floor(thisYear / 100) * 100 + Number(short);
  return [day, month, String(year > thisYear + FIFTY_YEARS ? year - 100 : year), ...time];
}

/** Parses an HTTP date into milliseconds since 1970; null for any other text. */
function httpDateMs(text: string, nowMs: number): number | null {
  const fields = fieldsOf(text, nowMs);
  if (fields === null) return null;
  const [day, month, year, hour, minute, second] = fields;
  const index = MONTHS.indexOf(month);
  if (index < 0) return null;
  return Date.UTC(Number(year), index, Number(day), Number(hour), Number(minute), Number(second));
}

export interface RetryAfterOptions {
  /**
   * The answer's `Date` header. A date in `Retry-After` is relative to it, so that a difference between the clocks
   * does not matter.
   */
  readonly date?: string | null | undefined;
  /** Time of this machine, used for an answer without a `Date`. */
  readonly nowMs: number;
  /** Upper bound of the result, in milliseconds. */
  readonly mostMs: number;
}

/** Parses `Retry-After` into milliseconds to wait; null when the answer has none or an invalid one. */
export function retryAfterMs(
  value: string | null | undefined,
  { date, nowMs, mostMs }: RetryAfterOptions,
): number | null {
  const text = value?.trim() ?? "";
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1_000, mostMs);
  const time = httpDateMs(text, nowMs);
  if (time === null) return null;
  const from = httpDateMs(date?.trim() ?? "", nowMs) ?? nowMs;
  return Math.min(Math.max(0, time - from), mostMs);
}
