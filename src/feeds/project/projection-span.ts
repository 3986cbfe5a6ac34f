import { type Span, SpanKind } from "@opentelemetry/api";

import { messagingAttributes, messagingSpanName } from "../../core/messaging-attributes.ts";
import { traceContextOf } from "../../core/trace-context.ts";
import { currentTracer, endSpan, failureOf, linksTo } from "../../core/tracer.ts";
import type { RegisteredFeed } from "../lifecycle/register.ts";
import type { SourceRow } from "./source-rows.ts";

function* contextsOf(rows: readonly SourceRow[]) {
  for (const { event } of rows) {
    const { traceparent, tracestate } = event.extensions;
    if (typeof traceparent !== "string") continue;
    yield traceContextOf(traceparent, typeof tracestate === "string" ? tracestate : null);
  }
}

/** Begins the span of a batch, with links to the traces of its source events; null: no traces are recorded. */
export function startProjectionSpan(
  { feed, source }: RegisteredFeed,
  rows: readonly SourceRow[],
): Span | null {
  const [first] = rows;
  if (first === undefined) return null;
  const tracer = currentTracer();
  if (tracer === null) return null;
  const { length: events } = rows;
  const operation = { name: "project", type: "process", log: source.name, events } as const;
  return tracer.startSpan(messagingSpanName(operation), {
    root: true,
    kind: SpanKind.CONSUMER,
    links: linksTo(contextsOf(rows)),
    attributes: messagingAttributes({ ...operation, position: first.position, consumer: feed.path }),
  });
}

/** The outcome of the write of a batch. */
export type ProjectionOutcome =
  | { readonly published: number }
  | { readonly error: unknown }
  /** Others have written to the feed: the batch is planned again. */
  | "outdated";

/** Ends the span of a batch. */
export function endProjectionSpan(span: Span | null, outcome: ProjectionOutcome): void {
  if (span === null) return;
  if (outcome === "outdated")
    return endSpan(span, { type: "outdated", message: "The batch is planned again" });
  if ("error" in outcome) return endSpan(span, failureOf(outcome.error));
  span.setAttribute("kilde.published_events", outcome.published);
  endSpan(span, null);
}
