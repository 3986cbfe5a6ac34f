import { type Attributes, type Span, SpanKind } from "@opentelemetry/api";

import { parseUrl } from "../../core/parse-url.ts";
import { serverAttributes } from "../../core/server-attributes.ts";
import { type TraceContext, traceContextOf } from "../../core/trace-context.ts";
import { contextOf, currentTracer, endSpan, parentContext } from "../../core/tracer.ts";
import { METHODS } from "./request-measures.ts";

/** The trace that a request belongs to. */
export interface RequestTrace {
  /**
   * The context that the events of the request take over: that of its headers, which the producer knows, or else that of its span.
   * Null: it belongs to no trace.
   */
  readonly context: TraceContext | null;
  /** Null: the process records no traces. */
  readonly span: Span | null;
}

const NO_TRACE: RequestTrace = { context: null, span: null };

/** A person wrote a reason, perhaps about a person; the code of a provider signs a browser in. */
const CONFIDENTIAL = /(?<=(?:^|&)(?:reason|code)=)[^&]+/g;

function requestAttributes({ method, url, headers }: Request): Attributes {
  const parsed = parseUrl(url);
  const query = parsed?.search.slice(1).replaceAll(CONFIDENTIAL, "REDACTED") ?? "";
  const agent = headers.get("user-agent");
  return {
    "http.request.method": METHODS.has(method) ? method : "_OTHER",
    ...(METHODS.has(method) ? {} : { "http.request.method_original": method }),
    ...(parsed === null ? {} : { "url.scheme": parsed.protocol.slice(0, -1), "url.path": parsed.pathname }),
    ...serverAttributes(url),
    ...(query === "" ? {} : { "url.query": query }),
    ...(agent === null ? {} : { "user_agent.original": agent }),
  };
}

/** Begins the span of a request, in the trace that its headers name, by the semantic conventions for HTTP. */
export function startRequestTrace(request: Request): RequestTrace {
  const { headers } = request;
  const traceparent = headers.get("traceparent");
  const tracer = currentTracer();
  if (traceparent === null && tracer === null) return NO_TRACE;
  const stated = traceContextOf(traceparent, traceparent === null ? null : headers.get("tracestate"));
  if (tracer === null) return { context: stated, span: null };
  const options = { kind: SpanKind.SERVER, attributes: requestAttributes(request) };
  const span = tracer.startSpan("HTTP", options, parentContext(stated));
  return { context: stated ?? contextOf(span), span };
}

/** The outcome of a request, for its span. */
export interface TracedAnswer {
  readonly method: string;
  /** Null: no route answered. */
  readonly route: string | null;
  readonly status: number;
  readonly requestId: string;
}

/** Ends the span of a request, by the semantic conventions for HTTP: only a fault of the server is an error. */
export function endRequestTrace({ span }: RequestTrace, answer: TracedAnswer): void {
  if (span === null) return;
  const { method, route, status, requestId } = answer;
  const name = METHODS.has(method) ? method : "HTTP";
  span.updateName(route === null ? name : `${name} ${route}`);
  span.setAttributes({
    "http.response.status_code": status,
    "kilde.request.id": requestId,
    ...(route === null ? {} : { "http.route": route }),
  });
  endSpan(span, status >= 500 ? { type: String(status), message: "" } : null);
}
