import type { AcceptedEvent } from "../../core/event.ts";
import type { Limits } from "../../core/limits.ts";
import { exceedsBytes } from "../../core/names.ts";
import type { TraceContext } from "../../core/trace-context.ts";
import type { AppendPart } from "../../log/append/plan.ts";

/** The beginning of the member in the text of an object without nested ones; in a text, its quotes would be escaped. */
const STATED = '"traceparent":';
const STATED_STATE = '"tracestate":';

function tracedEvent(
  event: AcceptedEvent,
  { traceparent, tracestate }: TraceContext,
  limits: Limits,
): AcceptedEvent {
  const { extensions } = event;
  if (extensions?.includes(STATED) === true) return event;
  const hasState = tracestate !== undefined && extensions?.includes(STATED_STATE) !== true;
  const state = hasState ? `,${STATED_STATE}${JSON.stringify(tracestate)}` : "";
  const before = extensions === null ? "{" : `${extensions.slice(0, -1)},`;
  const filled = `${before}${STATED}${JSON.stringify(traceparent)}${state}}`;
  // An event must not become too large because of its request.
  return exceedsBytes(filled, limits.metadataBytes) ? event : { ...event, extensions: filled };
}

/**
 * Fills the context of the request into the events that name none. The digest of an idempotency key is computed before: a
 * repetition may belong to another trace.
 */
export function tracedParts<Part extends Pick<AppendPart, "events">>(
  parts: readonly Part[],
  context: TraceContext | null,
  limits: Limits,
): readonly Part[] {
  if (context === null) return parts;
  return parts.map((part) => ({
    ...part,
    events: part.events.map((event) => tracedEvent(event, context, limits)),
  }));
}
