/** Numbers at the same times. */
export interface ChartSeries {
  /** In seconds since 1970, ascending. */
  readonly times: readonly number[];
  /** Null: unknown, so the line has a gap. */
  readonly values: readonly (number | null)[];
}

/** A sample may be late by this part of a step. */
const TOLERANCE = 1.5;

/**
 * Makes a line of samples that are taken every `stepSeconds`. Where samples are missing, the line has a gap: it shows nothing
 * that was not measured.
 */
export function seriesWithGaps(
  samples: readonly { readonly time: string; readonly value: number }[],
  stepSeconds: number,
): ChartSeries {
  const times: number[] = [];
  const values: (number | null)[] = [];
  for (const { time, value } of samples) {
    const seconds = Date.parse(time) / 1_000;
    const last = times.at(-1);
    // A chart needs ascending times.
    if (Number.isNaN(seconds) || (last !== undefined && seconds <= last)) continue;
    if (last !== undefined && seconds - last > stepSeconds * TOLERANCE) {
      times.push(last + stepSeconds);
      values.push(null);
    }
    times.push(seconds);
    values.push(value);
  }
  return { times, values };
}
