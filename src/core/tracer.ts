import {
  type Context,
  context,
  createTraceState,
  type Link,
  ProxyTracerProvider,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanStatusCode,
  trace,
  type Tracer,
} from "@opentelemetry/api";

import { errorText } from "./error-text.ts";
import { KildeError } from "./errors.ts";
import { type TraceContext, traceContextOf, traceIdOf } from "./trace-context.ts";

/** Name of the instrumentation. */
const NAME = "kilde";

/** Returns the tracer of the process; null: the process records no traces, and nothing is to be spent on them. */
export function currentTracer(): Tracer | null {
  const provider = trace.getTracerProvider();
  if (!(provider instanceof ProxyTracerProvider)) return provider.getTracer(NAME);
  return provider.getDelegateTracer(NAME) ?? null;
}

/** Returns a context in the form of the API. */
function spanContextOf(stated: TraceContext): SpanContext {
  const { traceparent, tracestate } = stated;
  return {
    traceId: traceIdOf(stated),
    spanId: traceparent.slice(36, 52),
    traceFlags: Number.parseInt(traceparent.slice(53, 55), 16),
    isRemote: true,
    ...(tracestate === undefined ? {} : { traceState: createTraceState(tracestate) }),
  };
}

/** Returns the context whose span is the parent; null: the span begins a trace. */
export function parentContext(parent: TraceContext | null): Context {
  return parent === null ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, spanContextOf(parent));
}

/** Returns the context of a span for headers, whether the span is sampled or not; null: its tracer records nothing. */
export function contextOf(span: Span): TraceContext | null {
  const { traceId, spanId, traceFlags, traceState } = span.spanContext();
  const flags = traceFlags.toString(16).padStart(2, "0");
  return traceContextOf(`00-${traceId}-${spanId}-${flags}`, traceState?.serialize());
}

/** Most links of a span: the default of OpenTelemetry, beyond which a span drops them. */
const MOST_LINKS = 128;

/**
 * Returns links to the contexts of events, each once. An event may be years old, so no span has it as its parent: the trace
 * that it came from has ended.
 */
export function linksTo(contexts: Iterable<TraceContext | null>): Link[] {
  const links = new Map<string, Link>();
  for (const stated of contexts) {
    if (stated === null || links.has(stated.traceparent)) continue;
    links.set(stated.traceparent, { context: spanContextOf(stated) });
    if (links.size === MOST_LINKS) break;
  }
  return [...links.values()];
}

/** Ends a span; with an error, if it has failed. */
export function endSpan(
  span: Span,
  failure: { readonly type: string; readonly message: string } | null,
): void {
  if (failure !== null) {
    span.setAttribute("error.type", failure.type);
    span.setStatus({ code: SpanStatusCode.ERROR, message: failure.message });
  }
  span.end();
}

/** Describes a thrown error for {@link endSpan}. */
export function failureOf(error: unknown): { readonly type: string; readonly message: string } {
  const message = errorText(error);
  if (error instanceof KildeError) return { type: error.code, message };
  return { type: error instanceof Error ? error.name : "_OTHER", message };
}

/** Calls a handler in a span, which ends with it. The handler's own spans are its children. */
export async function handleIn(span: Span, handle: () => void | Promise<void>): Promise<void> {
  try {
    await context.with(trace.setSpan(context.active(), span), handle);
    endSpan(span, null);
  } catch (error) {
    endSpan(span, failureOf(error));
    throw error;
  }
}
