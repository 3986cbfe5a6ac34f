/**
 * Times from requests are compared with recorded times as text. Recorded times are UTC with milliseconds and a
 * four-digit year, so their text order is their time order; this module converts other times to that form.
 */

const EARLIEST = "0000-01-01T00:00:00.000Z";
const LATEST = "9999-12-31T23:59:59.999Z";

/** Digits of a fraction of a second after the milliseconds. */
const BEYOND_MS = /\.\d{3}(\d+)/;

function inForm(ms: number): string {
  if (ms < Date.parse(EARLIEST)) return EARLIEST;
  return ms > Date.parse(LATEST) ? LATEST : new Date(ms).toISOString();
}

/**
 * The latest time in the form of recorded times that is not after an RFC 3339 time: `recorded <=
 * latestRecorded(time)`.
 *
 * @example latestRecorded("2026-01-31T14:00:00.0009+02:00") // "2026-01-31T12:00:00.000Z"
 */
export function latestRecorded(time: string): string {
  return inForm(Date.parse(time));
}

/**
 * The earliest time in the form of recorded times that is not before an RFC 3339 time: `recorded >=
 * earliestRecorded(time)`.
 *
 * @example earliestRecorded("2026-01-31T14:00:00.0009+02:00") // "2026-01-31T12:00:00.001Z"
 */
export function earliestRecorded(time: string): string {
  const beyond = BEYOND_MS.exec(time)?.[1] ?? "";
  return inForm(Date.parse(time) + (/[1-9]/.test(beyond) ? 1 : 0));
}
