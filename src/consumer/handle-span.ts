import { SpanKind } from "@opentelemetry/api";

import { messagingAttributes, messagingSpanName } from "../core/messaging-attributes.ts";
import { serverAttributes } from "../core/server-attributes.ts";
import { traceContextOf } from "../core/trace-context.ts";
import { currentTracer, handleIn, linksTo } from "../core/tracer.ts";
import type { ConsumerEvent } from "./types.ts";

/** The names in the span of a handler. */
export interface HandleSpanOptions {
  /** Path of the log. */
  readonly log: string;
  readonly consumer: string;
  /** Address of the server. */
  readonly url: string;
}

/**
 * Calls a handler in a span with a link to the trace of the event, which may have ended years ago. The handler's own spans
 * are its children.
 */
export async function handleInSpan(
  { log, consumer, url }: HandleSpanOptions,
  event: ConsumerEvent,
  handle: () => void | Promise<void>,
): Promise<void> {
  const tracer = currentTracer();
  if (tracer === null) return handle();
  const { traceparent, tracestate } = event.metadata;
  const operation = { name: "handle", type: "process", log, events: 1, consumer } as const;
  const span = tracer.startSpan(messagingSpanName(operation), {
    root: true,
    kind: SpanKind.CONSUMER,
    links: linksTo([traceContextOf(traceparent, tracestate)]),
    attributes: {
      ...messagingAttributes({ ...operation, position: event.id }),
      ...serverAttributes(url),
    },
  });
  await handleIn(span, handle);
}
