import type { ChartSeries } from "../chart/series-with-gaps.ts";

/** Cursor of a subscription at a time. */
export interface CursorSample {
  readonly timeMs: number;
  readonly cursor: number;
}

/** Samples that are kept: ten minutes of one each five seconds. */
export const MOST_SAMPLES = 121;

/** Adds a sample, and drops the oldest ones. A cursor that moved back, as by a restore, begins another series. */
export function addSample(samples: readonly CursorSample[], sample: CursorSample): readonly CursorSample[] {
  const last = samples.at(-1);
  if (last === undefined || sample.cursor < last.cursor) return [sample];
  if (sample.timeMs <= last.timeMs) return samples;
  return [...samples, sample].slice(-MOST_SAMPLES);
}

/** Positions that the cursor passed a second, between each sample and the next one. */
export function throughputOf(samples: readonly CursorSample[]): ChartSeries {
  const times: number[] = [];
  const values: number[] = [];
  for (const [index, { timeMs, cursor }] of samples.entries()) {
    const before = samples[index - 1];
    if (before === undefined) continue;
    times.push(timeMs / 1_000);
    values.push((1_000 * (cursor - before.cursor)) / (timeMs - before.timeMs));
  }
  return { times, values };
}
