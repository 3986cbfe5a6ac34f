import { context, type Span, SpanKind } from "@opentelemetry/api";

import { messageId, messagingAttributes, messagingSpanName } from "../core/messaging-attributes.ts";
import { serverAttributes } from "../core/server-attributes.ts";
import type { TraceContext } from "../core/trace-context.ts";
import { contextOf, currentTracer, endSpan, failureOf } from "../core/tracer.ts";

/** An append whose span has begun. */
interface SpannedAppend {
  readonly span: Span;
  readonly trace: TraceContext | null;
}

/** The names in the span of an append. */
interface AppendSpanOptions<Result> {
  /** Number of events. */
  readonly events: number;
  /** Address of the server. */
  readonly url: string;
  /** Returns the position of the last event. */
  readonly positionOf: (result: Result) => number | undefined;
}

function startAppendSpan(events: number, url: string): SpannedAppend | null {
  const tracer = currentTracer();
  if (tracer === null) return null;
  const operation = { name: "append", type: "send", log: "/events", events } as const;
  const attributes = { ...messagingAttributes(operation), ...serverAttributes(url) };
  const options = { kind: SpanKind.PRODUCER, attributes };
  const span = tracer.startSpan(messagingSpanName(operation), options, context.active());
  return { span, trace: contextOf(span) };
}

/** Sends an append in a span, whose context its request and its events carry; null: no traces are recorded. */
export async function appendInSpan<Result>(
  { events, url, positionOf }: AppendSpanOptions<Result>,
  send: (trace: TraceContext | null) => Promise<Result>,
): Promise<Result> {
  const started = startAppendSpan(events, url);
  if (started === null) return send(null);
  const { span, trace } = started;
  try {
    const result = await send(trace);
    const position = events === 1 ? positionOf(result) : undefined;
    if (position !== undefined) span.setAttributes(messageId(position));
    endSpan(span, null);
    return result;
  } catch (error) {
    endSpan(span, failureOf(error));
    throw error;
  }
}
