import { MEASURED_METRICS, type MeasuredMetric, type MeasuredName } from "./measured-metrics.ts";

/** Counts; a plain number in memory, so that hot paths can afford it. */
export interface Counter {
  add(count: number): void;
}

/** Counts values by their size. */
export interface Histogram {
  /** Counts a value. `times`: so often. Default: once. */
  observe(value: number, times?: number): void;
}

/** A counter or a histogram with values for its labels. */
export interface MeasuredSeries {
  readonly name: MeasuredName;
  readonly labels: Readonly<Record<string, string>>;
  /** A counter has one number. A histogram has a count for each bucket, one for greater values, and the sum of all. */
  readonly numbers: Float64Array;
}

/** The counters and histograms of one thread. Callers keep the series that they need often. */
export interface Measures {
  counter(name: MeasuredName, labels?: MeasuredSeries["labels"]): Counter;
  histogram(name: MeasuredName, labels?: MeasuredSeries["labels"]): Histogram;
}

/** The counters and histograms of a store in a process, with those of its threads. */
export interface StoreMeasures extends Measures {
  /**
   * Includes a series of another thread, which continues to count it. Returns a function to call when the thread has ended:
   * its numbers stay, added to those of its earlier runs.
   */
  include(series: MeasuredSeries): () => void;
  all(): readonly MeasuredSeries[];
}

function boundsOf(name: MeasuredName): MeasuredMetric["bounds"] {
  return MEASURED_METRICS[name].bounds;
}

function createHistogram(numbers: Float64Array, bounds: readonly number[]): Histogram {
  const sum = bounds.length + 1;
  return {
    observe(value, times = 1) {
      let bucket = 0;
      while (bucket < bounds.length && value > (bounds[bucket] ?? 0)) bucket += 1;
      numbers[bucket] = (numbers[bucket] ?? 0) + times;
      numbers[sum] = (numbers[sum] ?? 0) + value * times;
    },
  };
}

/**
 * Creates measures. `memoryOf`: the memory of a series with so many numbers, which other threads may read: one thread writes
 * it. `onSeries`: receives each series when it begins.
 */
function createMeasures(
  onSeries: (series: MeasuredSeries) => void,
  memoryOf: (length: number) => Float64Array = (length) => new Float64Array(length),
): Measures {
  const start = (name: MeasuredName, labels: MeasuredSeries["labels"], length: number): Float64Array => {
    const numbers = memoryOf(length);
    onSeries({ name, labels, numbers });
    return numbers;
  };
  return {
    counter(name, labels = {}) {
      const numbers = start(name, labels, 1);
      return { add: (count) => void (numbers[0] = (numbers[0] ?? 0) + count) };
    },
    histogram(name, labels = {}) {
      const bounds = boundsOf(name) ?? [];
      return createHistogram(start(name, labels, bounds.length + 2), bounds);
    },
  };
}

/** Creates measures in memory that other threads may read. `onSeries`: sends each series to them. */
export function createSharedMeasures(onSeries: (series: MeasuredSeries) => void): Measures {
  return createMeasures(
    onSeries,
    (length) => new Float64Array(new SharedArrayBuffer(length * Float64Array.BYTES_PER_ELEMENT)),
  );
}

/** Creates the measures of a store in this process. */
export function createStoreMeasures(): StoreMeasures {
  const all = new Set<MeasuredSeries>();
  const ended = new Map<string, MeasuredSeries>();
  const end = (series: MeasuredSeries) => {
    const key = JSON.stringify([series.name, series.labels]);
    const earlier = ended.get(key);
    if (earlier === undefined) {
      ended.set(key, series);
      return;
    }
    for (const [index, number] of series.numbers.entries()) {
      earlier.numbers[index] = (earlier.numbers[index] ?? 0) + number;
    }
    all.delete(series);
  };
  return {
    ...createMeasures((series) => all.add(series)),
    include(series) {
      all.add(series);
      return () => end(series);
    },
    all: () => [...all],
  };
}

const UNCOUNTED: Counter & Histogram = { add: () => {}, observe: () => {} };

/** For a store whose memory lasts no longer than a request. */
export const UNMEASURED: StoreMeasures = {
  counter: () => UNCOUNTED,
  histogram: () => UNCOUNTED,
  include: () => () => {},
  all: () => [],
};
