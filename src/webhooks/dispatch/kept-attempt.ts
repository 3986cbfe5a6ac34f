import type { EndpointAnswer, Outgoing } from "../egress/outgoing.ts";
import { HEADER } from "../signing/wire.ts";
import type { AttemptRecord } from "../subscriptions/attempts.ts";
import {
  KEPT_BODY,
  KEPT_EVENTS,
  type KeptAttempt,
  type KeptSubject,
} from "../subscriptions/kept-attempts.ts";
import type { PreparedDelivery } from "./prepared-delivery.ts";

/** Headers that Kilde sets, and that contain no secret. The subscription's own may be credentials. */
const SHOWN_HEADERS: ReadonlySet<string> = new Set(["content-type", HEADER.id, HEADER.timestamp]);

const REDACTED = "redacted";

function shownHeaders(headers: Outgoing["headers"]): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, SHOWN_HEADERS.has(name) ? value : REDACTED]),
  );
}

/** SQLite would end a text at a NUL. The text is copied, because a slice would keep the whole body in memory. */
function storableText(text: string, length: number): string {
  return Buffer.from(text.slice(0, length)).toString().replaceAll("\0", "\uFFFD");
}

function subjectsOf(events: PreparedDelivery["events"]): KeptSubject[] {
  const ranges = new Map<number, KeptSubject>();
  for (const { subject, version } of events) {
    const [, first, last] = ranges.get(subject) ?? [subject, version, version];
    ranges.set(subject, [subject, Math.min(first, version), Math.max(last, version)]);
  }
  return [...ranges.values()];
}

/** An attempt with its contents, as it is stored. */
export function keptAttempt(
  attempt: AttemptRecord,
  { events }: Pick<PreparedDelivery, "events">,
  { request, answer }: { readonly request: Outgoing; readonly answer: EndpointAnswer },
  prefix = "",
): KeptAttempt {
  const kept = events.slice(0, KEPT_EVENTS);
  // The contents of an attempt can be erased only if all of its subjects are known.
  const isKnown = kept.length === events.length;
  const isAnswered = answer.kind === "answered";
  return {
    ...attempt,
    durationMs: Math.round(attempt.durationMs),
    status: isAnswered ? answer.status : null,
    subjects: subjectsOf(kept),
    positions: kept.map(({ position }) => position),
    prefix,
    url: request.url,
    headers: shownHeaders(request.headers),
    body: isKnown ? storableText(request.body ?? "", KEPT_BODY) : null,
    answer: isKnown && isAnswered ? storableText(answer.beginning ?? "", KEPT_BODY) : null,
  };
}
