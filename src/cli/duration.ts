import { InvalidArgumentError } from "commander";

import { parseDuration } from "../core/duration.ts";

/** Parses a duration such as `1d`, to milliseconds. */
export function duration(text: string): number {
  const ms = parseDuration(text);
  if (ms === null) throw new InvalidArgumentError("It must be a duration such as 90s, 15m, 12h or 7d.");
  return ms;
}

const NEVER = "never";

/** An end that was stated: a time, after a time in milliseconds, or null for none. */
export type StatedEnd = { readonly time: string } | { readonly afterMs: number } | null;

/** Parses the end of something: a duration from now on, a time, or `never`. */
export function statedEnd(text: string): { readonly end: StatedEnd } {
  if (text === NEVER) return { end: null };
  const afterMs = parseDuration(text);
  if (afterMs !== null) return { end: { afterMs } };
  if (/^\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d))?$/.test(text) && !Number.isNaN(Date.parse(text)))
    return { end: { time: new Date(text).toISOString() } };
  throw new InvalidArgumentError(
    'It must be a duration such as 12h or 90d, a time such as 2026-01-31T12:00:00Z, or "never".',
  );
}

/** The time of an end; null: never. */
export function endTime(end: StatedEnd, nowMs: number): string | null {
  if (end === null) return null;
  return "time" in end ? end.time : new Date(nowMs + end.afterMs).toISOString();
}
