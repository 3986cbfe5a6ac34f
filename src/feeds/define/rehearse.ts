import type { SourceEvent } from "./define.ts";
import type { Feed } from "../feed.ts";
import { assign, planBatch } from "../project/plan.ts";
import { type FeedSubject, UNKNOWN_SUBJECT } from "../subjects.ts";

/** An event as it would be published. */
export interface RehearsedEvent {
  readonly type: string;
  readonly subject: string;
  /** Within the subject of the feed; 1-based, as if the rehearsal's first event was the first of all. */
  readonly version: number;
  /** Time of the source event. */
  readonly time: string;
  /** Null for a tombstone. */
  readonly data: unknown;
  /** Position of the source event that it is published for. */
  readonly projectedFrom: number;
}

/** Returns the events published for an event, after those of the previous calls. Throws a ProjectionError. */
export type Rehearsal = (event: SourceEvent) => readonly RehearsedEvent[];

function isRead({ source }: Feed, { type, subject }: SourceEvent): boolean {
  if (!source.types.includes(type)) return false;
  return source.prefixes.length === 0 || source.prefixes.some((prefix) => subject.startsWith(prefix));
}

/**
 * Runs a feed over events without publishing, by the plan that the projector follows; events that the feed does
 * not read publish nothing. It keeps the state of all subjects in memory.
 */
export function createRehearsal(feed: Feed): Rehearsal {
  const subjects = new Map<string, FeedSubject>();
  return (event) => {
    if (!isRead(feed, event)) return [];
    const { position } = event;
    const row = { event, position, place: position, time: event.time, recorded: event.time, characters: 0 };
    const assigned = assign(feed, [row]);
    const plan = planBatch(feed, assigned, (name) => subjects.get(name) ?? UNKNOWN_SUBJECT, {
      tracked: feed.rekeyed,
    });
    if (plan.failure !== null) throw plan.failure.error;
    for (const [name, subject] of plan.after) subjects.set(name, subject);
    const subject = assigned.assigned[0]?.subject ?? event.subject;
    return plan.events.map(({ version, event: { type, data } }) => ({
      type,
      subject,
      version,
      time: event.time,
      data: data === null ? null : (JSON.parse(data) as unknown),
      projectedFrom: event.position,
    }));
  };
}

/**
 * Runs feeds one after the other, each over what the one before it publishes: the last of them over the events of
 * the log that the first reads.
 */
export function createChainedRehearsal(feeds: readonly Feed[]): Rehearsal {
  const [last, ...sources] = feeds.toReversed();
  if (last === undefined) throw new Error("there is no feed to rehearse");
  const own = createRehearsal(last);
  if (sources.length === 0) return own;
  const source = createChainedRehearsal(sources.toReversed());
  return (event) =>
    source(event).flatMap(({ type, subject, version, time, data, projectedFrom }) =>
      own({ type, subject, version, time, data, position: projectedFrom, extensions: event.extensions }),
    );
}
