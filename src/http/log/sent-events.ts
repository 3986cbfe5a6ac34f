import type { Counter, Measures } from "../../core/measures.ts";

/** Ways to be sent events by the answer to a request. */
type Transport = "page" | "stream";

/** Counts the events that readers were sent, for each log. */
export interface SentEvents {
  counter(log: string, transport: Transport): Counter;
}

export function createSentEvents(measures: Measures): SentEvents {
  const counters = { page: new Map<string, Counter>(), stream: new Map<string, Counter>() };
  return {
    counter(log, transport) {
      const known = counters[transport].get(log);
      if (known !== undefined) return known;
      const counter = measures.counter("events_sent_total", { log, transport });
      counters[transport].set(log, counter);
      return counter;
    },
  };
}
