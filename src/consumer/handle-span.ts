import { context, SpanKind, trace } from "@opentelemetry/api";

import { traceContextOf } from "../core/trace-context.ts";
import { currentTracer, endSpan, failureOf, linksTo, messagingAttributes } from "../core/tracer.ts";
import type { ConsumerEvent } from "./types.ts";

/** The names in the span of a handler. */
export interface HandleSpanOptions {
  /** Path of the log. */
  readonly log: string;
  readonly consumer: string;
}

/**
 * Calls a handler in a span with a link to the trace of the event, which may have ended years ago. The handler's own spans
 * are its children.
 */
export async function handleInSpan(
  { log, consumer }: HandleSpanOptions,
  event: ConsumerEvent,
  handle: () => void | Promise<void>,
): Promise<void> {
  const tracer = currentTracer();
  if (tracer === null) return handle();
  const { traceparent, tracestate } = event.metadata;
  const span = tracer.startSpan(`handle ${log}`, {
    root: true,
    kind: SpanKind.CONSUMER,
    links: linksTo([traceContextOf(traceparent, tracestate)]),
    attributes: {
      ...messagingAttributes({ name: "handle", type: "process", log, events: 1, group: consumer }),
      "messaging.message.id": event.id,
    },
  });
  try {
    await context.with(trace.setSpan(context.active(), span), handle);
    endSpan(span, null);
  } catch (error) {
    endSpan(span, failureOf(error));
    throw error;
  }
}
