/** A W3C Trace Context, as headers and events carry it. */
export interface TraceContext {
  readonly traceparent: string;
  readonly tracestate?: string;
}

/** A later version than 00 may have more members. */
const TRACEPARENT =
  /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:$|-[\x21-\x7e]*$)/;
const VERSION_00_CHARACTERS = 55;

/** Longer values are dropped; senders need not expect that more is passed on (Trace Context, 3.3.1.5). */
const MOST_CHARACTERS = 512;

const TRACESTATE = /^[\x20-\x7e]+$/;

/** Returns the context that two headers, or two attributes of an event, state; null: they state none that is valid. */
export function traceContextOf(
  traceparent: string | null | undefined,
  tracestate?: string | null,
): TraceContext | null {
  if (typeof traceparent !== "string" || traceparent.length > MOST_CHARACTERS) return null;
  if (!TRACEPARENT.test(traceparent)) return null;
  if (traceparent.startsWith("00") && traceparent.length > VERSION_00_CHARACTERS) return null;
  const hasState =
    typeof tracestate === "string" && tracestate.length <= MOST_CHARACTERS && TRACESTATE.test(tracestate);
  return hasState ? { traceparent, tracestate } : { traceparent };
}

/** Returns the id of the trace. */
export function traceIdOf({ traceparent }: TraceContext): string {
  return traceparent.slice(3, 35);
}
