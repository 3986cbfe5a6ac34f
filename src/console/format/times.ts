const EXACT = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" });

/** A date without a time is the same for every reader. */
const DATE = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeZone: "UTC" });
const DATE_TEXT = /^\d{4}-\d{2}-\d{2}$/;

const SECONDS_OF = [
  ["d", 86_400],
  ["h", 3_600],
  ["min", 60],
] as const;

/** Formats a duration in its largest unit: `45 s`, `3 min`, `2 h`, `5 d`. */
export function formatDuration(seconds: number): string {
  const [unit, size] = SECONDS_OF.find(([, each]) => seconds >= each) ?? ["s", 1];
  const amount = Math.max(0, Math.floor(seconds / size));
  return `${amount} ${unit}`;
}

/** Formats a past time relative to now: `3 min ago`. Clocks of browsers differ, so a time may be ahead of now. */
export function formatAgo(time: string, nowMs: number): string {
  const seconds = (nowMs - Date.parse(time)) / 1_000;
  if (Number.isNaN(seconds)) return time;
  return seconds < 1 ? "just now" : `${formatDuration(seconds)} ago`;
}

/** Formats a future time relative to now: `in 3 min`. */
export function formatUntil(time: string, nowMs: number): string {
  const seconds = (Date.parse(time) - nowMs) / 1_000;
  if (Number.isNaN(seconds)) return time;
  return seconds < 1 ? "now" : `in ${formatDuration(seconds)}`;
}

/** Formats a time for the reader's zone, and a date as the same date; returns another text as it is. */
export function formatTime(time: string): string {
  const milliseconds = Date.parse(time);
  return Number.isNaN(milliseconds) ? time : (DATE_TEXT.test(time) ? DATE : EXACT).format(milliseconds);
}

/** The value of an `input` for a local time; empty for a text that is not a time. */
export function localInputTime(time: string): string {
  const milliseconds = Date.parse(time);
  if (Number.isNaN(milliseconds)) return "";
  const offsetMs = new Date(milliseconds).getTimezoneOffset() * 60_000;
  return new Date(milliseconds - offsetMs).toISOString().slice(0, "2026-01-01T00:00:00".length);
}
