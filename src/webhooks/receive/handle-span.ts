import { type Context, context, SpanKind, trace } from "@opentelemetry/api";

import { messagingAttributes, messagingSpanName } from "../../core/messaging-attributes.ts";
import { traceContextOf } from "../../core/trace-context.ts";
import { currentTracer, handleIn, linksTo, parentContext } from "../../core/tracer.ts";
import type { Delivery } from "./delivery.ts";

/**
 * The context of the program's own span of the request, or else that of the attempt. Either has only just begun, unlike the
 * traces of the events.
 */
function contextAround(headers: Headers): Context {
  const around = context.active();
  if (trace.getSpan(around) !== undefined) return around;
  return parentContext(traceContextOf(headers.get("traceparent"), headers.get("tracestate")));
}

/** Calls a handler of a delivery in a span with links to the traces of its events. The handler's own spans are its children. */
export async function handleInSpan<Data>(
  headers: Headers,
  delivery: Delivery<Data>,
  handle: () => void | Promise<void>,
): Promise<void> {
  const tracer = currentTracer();
  if (tracer === null) return handle();
  const events = delivery.kind === "events" ? delivery.events : [];
  const [first] = events;
  const operation = {
    name: "handle",
    type: "process",
    log: delivery.source,
    events: events.length,
    position: first?.position,
  } as const;
  const options = {
    kind: SpanKind.CONSUMER,
    links: linksTo(events.map(({ metadata }) => traceContextOf(metadata.traceparent, metadata.tracestate))),
    attributes: { ...messagingAttributes(operation), "kilde.webhook.id": delivery.id },
  };
  const span = tracer.startSpan(messagingSpanName(operation), options, contextAround(headers));
  await handleIn(span, handle);
}
