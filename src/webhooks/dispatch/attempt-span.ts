import { type Span, SpanKind } from "@opentelemetry/api";

import { messagingAttributes, messagingSpanName } from "../../core/messaging-attributes.ts";
import { serverAttributes } from "../../core/server-attributes.ts";
import { traceContextOf } from "../../core/trace-context.ts";
import { contextOf, currentTracer, endSpan, linksTo } from "../../core/tracer.ts";
import type { EndpointAnswer, Outgoing } from "../egress/outgoing.ts";
import type { SubscriptionRecord } from "../subscriptions/subscription.ts";
import type { PreparedDelivery } from "./prepared-delivery.ts";

const TRACEPARENT = /"traceparent":"([^"\\]+)"/;
const TRACESTATE = /"tracestate":"([^"\\]+)"/;

/** The context that an event's text names. Its attributes come before its data, which may have members of these names. */
function contextIn({ text }: PreparedDelivery["events"][number]) {
  const end = text.indexOf(',"data":');
  const attributes = end === -1 ? text : text.slice(0, end);
  return traceContextOf(TRACEPARENT.exec(attributes)?.[1], TRACESTATE.exec(attributes)?.[1]);
}

/** An attempt that is traced, and its request with the headers of its own trace. */
export interface TracedAttempt {
  readonly request: Outgoing;
  /** Null: no traces are recorded. */
  readonly span: Span | null;
}

/**
 * Begins the span of an attempt, a trace of its own with links to those of its events: an event may be delivered long after
 * its trace has ended.
 */
export function startAttemptSpan(
  request: Outgoing,
  { message, events }: Pick<PreparedDelivery, "message" | "events">,
  { log: { name: log }, id: subscription }: Pick<SubscriptionRecord, "log" | "id">,
): TracedAttempt {
  const tracer = currentTracer();
  if (tracer === null) return { request, span: null };
  const operation = { name: "deliver", type: "send", log, events: events.length } as const;
  const span = tracer.startSpan(messagingSpanName(operation), {
    root: true,
    // Its context is not that of the events, and the receiver's request waits for an answer.
    kind: SpanKind.CLIENT,
    links: linksTo(events.map(contextIn)),
    attributes: {
      ...messagingAttributes({ ...operation, position: events[0]?.position, subscription }),
      "kilde.webhook.id": message.id,
      "http.request.method": request.method,
      ...serverAttributes(request.url),
    },
  });
  const headers = { ...request.headers, ...contextOf(span) };
  return { request: { ...request, headers }, span };
}

/** Ends the span of an attempt; null: the attempt was cut off. */
export function endAttemptSpan(span: Span | null, answer: EndpointAnswer | null): void {
  if (span === null) return;
  if (answer === null) return endSpan(span, { type: "cancelled", message: "The attempt was cut off" });
  if (answer.kind === "failed") return endSpan(span, { type: answer.category, message: "" });
  const { status } = answer;
  span.setAttribute("http.response.status_code", status);
  endSpan(span, status >= 200 && status < 300 ? null : { type: String(status), message: "" });
}
