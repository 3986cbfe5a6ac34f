import Counter from "prom-client/lib/counter.js";
import Histogram from "prom-client/lib/histogram.js";
import type Registry from "prom-client/lib/registry.js";

import { MEASURED_METRICS, type MeasuredMetric, type MeasuredName } from "../../core/measured-metrics.ts";
import type { MeasuredSeries, StoreMeasures } from "../../core/measures.ts";

/** The counts of a store, with the labels that distinguish it. */
export interface MeasuredCounts {
  readonly labels: Readonly<Record<string, string>>;
  readonly measures: Pick<StoreMeasures, "all">;
}

type Series = Pick<MeasuredSeries, "labels" | "numbers">;

/** A histogram whose buckets were counted elsewhere. */
class CountedHistogram extends Histogram {
  readonly #series: readonly Series[];
  readonly #bounds: readonly number[];
  readonly #about: { readonly name: string; readonly help: string };

  constructor(
    about: { readonly name: string; readonly help: string },
    { labelNames, bounds }: { labelNames: string[]; bounds: readonly number[] },
    series: readonly Series[],
  ) {
    super({ ...about, labelNames, buckets: [...bounds], registers: [] });
    this.#about = about;
    this.#bounds = bounds;
    this.#series = series;
  }

  /** The registry reads this for its text. */
  getForPromString() {
    const { name } = this.#about;
    const values = this.#series.flatMap(({ labels, numbers }) => {
      let count = 0;
      const buckets = [...this.#bounds, "+Inf"].map((le, index) => {
        count += numbers[index] ?? 0;
        return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: count };
      });
      return [
        ...buckets,
        { metricName: `${name}_sum`, labels: { ...labels }, value: numbers[this.#bounds.length + 1] ?? 0 },
        { metricName: `${name}_count`, labels: { ...labels }, value: count },
      ];
    });
    return Promise.resolve({ ...this.#about, type: "histogram", aggregator: "sum", values });
  }
}

/** Adds up the series of the same labels: several threads count them, or several runs of one thread. */
function summed(series: readonly Series[]): readonly Series[] {
  const sums = new Map<string, { labels: Series["labels"]; numbers: Float64Array }>();
  for (const { labels, numbers } of series) {
    const key = JSON.stringify(labels);
    const sum = sums.get(key);
    if (sum === undefined) sums.set(key, { labels, numbers: numbers.slice() });
    else
      for (const [index, number] of numbers.entries())
        sum.numbers[index] = (sum.numbers[index] ?? 0) + number;
  }
  return [...sums.values()];
}

export type RegisterMeasured = typeof registerMeasured;

/** Adds the counters and histograms of stores to a registry. `ownNames`: the labels that distinguish them. */
export function registerMeasured(
  registry: Registry,
  ownNames: readonly string[],
  stores: readonly MeasuredCounts[],
): void {
  const series = new Map<MeasuredName, Series[]>();
  for (const { labels: own, measures } of stores)
    for (const { name, labels, numbers } of measures.all()) {
      const known = series.get(name) ?? [];
      known.push({ labels: { ...own, ...labels }, numbers });
      series.set(name, known);
    }
  for (const [name, counted] of series) {
    const { help, labelNames, bounds }: MeasuredMetric = MEASURED_METRICS[name];
    const about = { name: `kilde_${name}`, help };
    const names = [...ownNames, ...labelNames];
    const sums = summed(counted);
    if (bounds !== null) {
      registry.registerMetric(new CountedHistogram(about, { labelNames: names, bounds }, sums));
      continue;
    }
    const counter = new Counter({ ...about, labelNames: names, registers: [registry] });
    for (const { labels, numbers } of sums) counter.inc(labels, numbers[0] ?? 0);
  }
}
