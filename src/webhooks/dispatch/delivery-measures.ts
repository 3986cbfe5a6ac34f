import type { Counter, Measures } from "../../core/measures.ts";
import type { Verdict } from "../endpoint/verdict.ts";
import type { PreparedDelivery } from "./prepared-delivery.ts";

const OUTCOMES: readonly Verdict["kind"][] = ["acknowledged", "refused", "overloaded", "unreachable", "gone"];

/** Counts the deliveries of one log. */
export interface DeliveryMeasures {
  settled(delivery: Pick<PreparedDelivery, "events">, verdict: Verdict, nowMs: number): void;
}

/**
 * The time when the event log took an event, from the event's text. `recordedtime` comes directly after `time`, and both
 * after strings in which quotation marks are escaped.
 */
const RECORDED = /,"time":"([^"]*)"(?:,"recordedtime":"([^"]*)")?/;

function appendedMs(text: string): number {
  const [, time = "", recorded = time] = RECORDED.exec(text) ?? [];
  return Date.parse(recorded);
}

function measureSource(measures: Measures, source: string): DeliveryMeasures {
  const attempts = Object.fromEntries(
    OUTCOMES.map((outcome) => [outcome, measures.counter("delivery_attempts_total", { source, outcome })]),
  ) as Record<Verdict["kind"], Counter>;
  const sent = measures.counter("events_sent_total", { log: source, transport: "webhook" });
  const seconds = measures.histogram("append_to_delivered_seconds", { source });
  return {
    settled({ events }, { kind }, nowMs) {
      attempts[kind].add(1);
      sent.add(events.length);
      if (kind !== "acknowledged") return;
      for (const { text } of events) {
        const ageMs = nowMs - appendedMs(text);
        if (!Number.isNaN(ageMs)) seconds.observe(Math.max(0, ageMs) / 1_000);
      }
    },
  };
}

/** Returns the measures of a log's deliveries, which its subscriptions share. */
export function deliveryMeasures(measures: Measures): (source: string) => DeliveryMeasures {
  const known = new Map<string, DeliveryMeasures>();
  return (source) => {
    const measured = known.get(source) ?? measureSource(measures, source);
    known.set(source, measured);
    return measured;
  };
}
