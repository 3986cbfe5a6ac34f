import { context, type Span, SpanKind } from "@opentelemetry/api";

import type { TraceContext } from "../core/trace-context.ts";
import { contextOf, currentTracer, endSpan, failureOf, messagingAttributes } from "../core/tracer.ts";

/** An append whose span has begun. */
interface SpannedAppend {
  readonly span: Span;
  readonly trace: TraceContext | null;
}

function startAppendSpan(events: number): SpannedAppend | null {
  const tracer = currentTracer();
  if (tracer === null) return null;
  const operation = { name: "append", type: "send", log: "/events", events } as const;
  const attributes = messagingAttributes(operation);
  const span = tracer.startSpan("append /events", { kind: SpanKind.PRODUCER, attributes }, context.active());
  return { span, trace: contextOf(span) };
}

/** Sends an append in a span, whose context its request and its events carry; null: no traces are recorded. */
export async function appendInSpan<Result>(
  events: number,
  send: (trace: TraceContext | null) => Promise<Result>,
): Promise<Result> {
  const started = startAppendSpan(events);
  if (started === null) return send(null);
  try {
    const result = await send(started.trace);
    endSpan(started.span, null);
    return result;
  } catch (error) {
    endSpan(started.span, failureOf(error));
    throw error;
  }
}
