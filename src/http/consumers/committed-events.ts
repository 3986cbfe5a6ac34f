import type { Histogram, Measures } from "../../core/measures.ts";

/** Measures the time from the append of an event until a consumer has committed it, for each log. */
export interface CommittedEvents {
  observe(log: string, seconds: number): void;
}

export function createCommittedEvents(measures: Measures): CommittedEvents {
  const histograms = new Map<string, Histogram>();
  return {
    observe(log, seconds) {
      const known = histograms.get(log);
      const histogram = known ?? measures.histogram("append_to_committed_seconds", { source: log });
      if (known === undefined) histograms.set(log, histogram);
      // The clock of the node that took the event may be ahead.
      histogram.observe(Math.max(0, seconds));
    },
  };
}
