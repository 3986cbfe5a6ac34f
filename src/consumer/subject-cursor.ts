import type { SubjectCursor } from "./store.ts";
import type { ConsumerEvent } from "./types.ts";

/** The cursor of a subject without handled events. */
export function newCursor(subject: string): SubjectCursor {
  return {
    subject,
    version: 0,
    known: 0,
    position: 0,
    identity: null,
    source: 0,
    status: "following",
    failure: null,
  };
}

/** The cursor after an event. */
export function cursorAfter(cursor: SubjectCursor, event: ConsumerEvent): SubjectCursor {
  const known = Math.max(cursor.known, event.version);
  const { version, position, projectedFrom: source = position, logIdentity: identity = null } = event;
  return { ...cursor, version, known, position, identity, source };
}
