import { type Attributes, type Span, SpanKind } from "@opentelemetry/api";

import { type TraceContext, traceContextOf } from "../../core/trace-context.ts";
import { contextOf, currentTracer, endSpan, parentContext } from "../../core/tracer.ts";
import { METHODS } from "./request-measures.ts";

/** The trace that a request belongs to. */
export interface RequestTrace {
  /** The request's own context, which its events and answers continue; null: it belongs to no trace. */
  readonly context: TraceContext | null;
  /** Null: the process records no traces. */
  readonly span: Span | null;
}

const NO_TRACE: RequestTrace = { context: null, span: null };

/** Begins the span of a request, in the trace that its headers name. Without a tracer, the context is that of the headers. */
export function startRequestTrace({ method, headers }: Request): RequestTrace {
  const traceparent = headers.get("traceparent");
  const tracer = currentTracer();
  if (traceparent === null && tracer === null) return NO_TRACE;
  const stated = traceContextOf(traceparent, traceparent === null ? null : headers.get("tracestate"));
  if (tracer === null) return { context: stated, span: null };
  const attributes: Attributes = METHODS.has(method)
    ? { "http.request.method": method }
    : { "http.request.method": "_OTHER", "http.request.method_original": method };
  const span = tracer.startSpan("HTTP", { kind: SpanKind.SERVER, attributes }, parentContext(stated));
  return { context: contextOf(span), span };
}

/** The outcome of a request, for its span. */
export interface TracedAnswer {
  readonly method: string;
  readonly path: string;
  /** Null: no route answered. */
  readonly route: string | null;
  readonly status: number;
  readonly requestId: string;
}

/** Ends the span of a request, by the semantic conventions for HTTP: only a fault of the server is an error. */
export function endRequestTrace({ span }: RequestTrace, answer: TracedAnswer): void {
  if (span === null) return;
  const { method, path, route, status, requestId } = answer;
  const name = METHODS.has(method) ? method : "HTTP";
  span.updateName(route === null ? name : `${name} ${route}`);
  span.setAttributes({
    "url.path": path,
    "http.response.status_code": status,
    "kilde.request.id": requestId,
    ...(route === null ? {} : { "http.route": route }),
  });
  endSpan(span, status >= 500 ? { type: String(status), message: "" } : null);
}
