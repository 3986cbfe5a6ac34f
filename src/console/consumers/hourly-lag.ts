import type { ConsumerLag } from "../../client/types.ts";

/** The highest lag of an hour. */
export interface HourlyLag {
  /** Start of the hour, RFC 3339. */
  readonly hour: string;
  readonly events: number;
  readonly seconds: number;
}

const HOUR_MS = 3_600_000;

/** Returns the highest lag of each hour that has samples, the latest hour first. */
export function hourlyLag({ samples }: Pick<ConsumerLag, "samples">): readonly HourlyLag[] {
  const hours = new Map<number, HourlyLag>();
  for (const { time, events, seconds } of samples) {
    const start = Math.floor(Date.parse(time) / HOUR_MS) * HOUR_MS;
    if (Number.isNaN(start)) continue;
    const known = hours.get(start);
    hours.set(start, {
      hour: new Date(start).toISOString(),
      events: Math.max(known?.events ?? 0, events),
      seconds: Math.max(known?.seconds ?? 0, seconds),
    });
  }
  return [...hours].toSorted(([one], [other]) => other - one).map(([, lag]) => lag);
}

/** Adds the current lag to the samples, as the last one. */
export function withCurrentLag(
  { samples }: Pick<ConsumerLag, "samples">,
  { events, seconds }: { readonly events: number; readonly seconds: number },
  nowMs: number,
): ConsumerLag["samples"] {
  return [...samples, { time: new Date(nowMs).toISOString(), events, seconds }];
}
