import { errorText } from "../../core/error-text.ts";
import { ERASED_TYPE } from "../../core/event.ts";
import type { DatedEvent } from "../../log/append/append-batch.ts";
import { createPlacement, type PlacedEvents } from "../../log/append/placement.ts";
import { type Feed, type Projected, ProjectionError } from "../feed.ts";
import { type FeedPlacement, placeNext, putBackPlaces } from "./placing.ts";
import { NO_EXTENSIONS, ORIGIN_EXTENSION, type SourceRow } from "./source-rows.ts";
import type { FeedSubject } from "../subjects.ts";

/** The extensions that an integration event takes over from the event it is published for. */
const CARRIED_EXTENSIONS = ["correlationid", "causationid", "traceparent", "tracestate"];

/** A row for `origins.ts`: which source event counts for a subject. */
export type OriginRow = readonly [
  position: number,
  subjectId: number | null,
  name: string | null,
  versionBefore: number,
  events: number,
  /** Null: it is the position. */
  place: number | null,
];

/** An event that is published ahead of the cursor: its place after the head, and where it comes from in the event log. */
export type AheadRow = readonly [offset: number, origin: number];

export interface PlanFailure {
  /** Position in the log that is read. */
  readonly position: number;
  readonly error: ProjectionError;
}

/** The result of projecting a batch of source events. */
export interface FeedPlan extends PlacedEvents<FeedSubject, DatedEvent> {
  /** Those whose state or hydration is to be kept. */
  readonly kept: readonly string[];
  /** Those that existed before, and get events or another state. */
  readonly written: readonly string[];
  /** Positions, in the log that is read, of tombstones: events made of the events before them are deleted. */
  readonly erased: readonly number[];
  readonly ahead: readonly AheadRow[];
  /** For feeds that track their origins. */
  readonly origins: readonly OriginRow[];
  /** Up to which version the places of a subject are used. */
  readonly passed: readonly (readonly [name: string, version: number])[];
  /** The event that cannot be projected: the plan contains the events before it, and none after it. */
  readonly failure: PlanFailure | null;
}

/** A source event with the subject it counts for. */
export interface Assigned {
  readonly row: SourceRow;
  readonly subject: string;
}

export type Assignment = ReturnType<typeof assign>;

export function failureAt({ position, event }: SourceRow, error: unknown): PlanFailure {
  if (error instanceof ProjectionError) return { position, error };
  const message = errorText(error);
  return { position, error: new ProjectionError(message, event, [], { cause: error }) };
}

/** Which subject each event counts for; ends at the first event for which that fails. */
export function assign(
  feed: Feed,
  rows: readonly SourceRow[],
): { assigned: readonly Assigned[]; failure: PlanFailure | null } {
  const assigned: Assigned[] = [];
  for (const row of rows) {
    try {
      const subject = feed.subjectOf(row.event);
      if (subject !== null) assigned.push({ row, subject });
    } catch (error) {
      return { assigned, failure: failureAt(row, error) };
    }
  }
  return { assigned, failure: null };
}

/**
 * Projects a source event, given the state of its subject. The events for an erased stream must not depend on its former
 * state, which a projection that was behind never had. So `erased` receives the state of a re-keyed subject, from which
 * the contributions of the stream were erased before, and no state where the subject is the stream itself.
 */
export function projectRow(feed: Feed, { row, subject }: Assigned, state: string | null): Projected {
  const own = row.event.type === ERASED_TYPE && !feed.rekeyed;
  return feed.project(subject, row.event, own ? null : state);
}

/** The extensions of the events published for an event, and more that come first, as JSON text. */
function extensionsText({ event }: SourceRow, more: Readonly<Record<string, unknown>> | null): string {
  // Most events carry no extensions; writing the text directly spares two objects for each of them.
  if (more === null && event.extensions === NO_EXTENSIONS)
    return `{"${ORIGIN_EXTENSION}":"${event.position}"}`;
  const written: Record<string, unknown> = { ...more };
  for (const name of CARRIED_EXTENSIONS) {
    const value = event.extensions[name];
    if (value !== undefined) written[name] = value;
  }
  written[ORIGIN_EXTENSION] = String(event.position);
  return JSON.stringify(written);
}

export interface PlanOptions {
  /** Whether to note which source event counts for which subject. */
  readonly tracked: boolean;
  /** Subjects whose places are settled although no event counts for them. */
  readonly touched?: readonly string[];
  /** Whether the events published for a source event are ahead of the feed's cursor. Default: they are not. */
  readonly isAhead?: (row: SourceRow) => boolean;
}

/** Source events that are folded over the state of their subjects, one at a time. */
interface Fold {
  readonly feed: Feed;
  readonly tracked: boolean;
  readonly isAhead: (row: SourceRow) => boolean;
  readonly placement: FeedPlacement;
  readonly kept: Set<string>;
  /** With the first version that is left. */
  readonly replaced: { readonly subject: string; readonly version: number }[];
  readonly origins: OriginRow[];
  readonly ahead: AheadRow[];
  /** Positions of tombstones in the source. */
  readonly erased: number[];
}

/** The subject after the events so far (`before`), with the kept events that come next put back in their places. */
function settlePlaces({ placement }: Fold, subject: string, before: FeedSubject): FeedSubject {
  if (before.places.length === 0) return before;
  const now = putBackPlaces(placement, subject, before);
  placement.update(subject, before, now);
  return now;
}

/** Places the events published for an event, or its tombstone. Returns the subject's version, and whether it ends. */
function publish(fold: Fold, { row, subject }: Assigned, before: FeedSubject, projected: Projected) {
  const { feed, tracked, isAhead, placement, ahead, replaced } = fold;
  let { version } = before;
  const add = (type: string, data: string | null, more: Record<string, unknown> | null) => {
    const extensions = extensionsText(row, more);
    version = placeNext(placement, version, before.places, type, extensions);
    const offset = placement.nextOffset();
    if (isAhead(row)) ahead.push([offset, row.event.position]);
    const { time, recorded } = row;
    placement.place(subject, before.id, version, { type, time, recorded, data, extensions, offset });
  };
  for (const { type, data } of projected.events) add(type, data, null);
  const isOwnTombstone = row.event.type === ERASED_TYPE && !feed.rekeyed;
  // Also for a subject that is erased already: its last tombstone remains, as in the source. Only the definition decides, since
  // a feed may be tracked only because an earlier release was.
  const ends = projected.erased || (isOwnTombstone && projected.events.length === 0);
  if (ends) {
    const { reason } = row.event.extensions;
    add(ERASED_TYPE, null, typeof reason === "string" ? { reason } : null);
  } else if (isOwnTombstone && !tracked) {
    // A tracked feed erases by the origins of its events.
    const first = version - projected.events.length + 1;
    if (first > 1) replaced.push({ subject, version: first });
  }
  return { version, ends };
}

/** Notes the source event of the `count` events after the version of a subject. */
function noteOrigin({ origins }: Fold, { row, subject }: Assigned, before: FeedSubject, count: number): void {
  const { position, place } = row;
  const { id, version } = before;
  origins.push([
    position,
    id,
    id === null ? subject : null,
    version,
    count,
    place === position ? null : place,
  ]);
}

/** Folds an event, and places the events published for it. */
function projectItem(fold: Fold, item: Assigned): void {
  const { feed, tracked, placement, kept } = fold;
  const { row, subject } = item;
  const found = placement.stateOf(subject);
  if (row.position <= found.projected) return;
  const before = settlePlaces(fold, subject, found);
  if (row.event.type === ERASED_TYPE && before.stored) fold.erased.push(row.position);
  const projected = projectRow(feed, item, before.state);
  const { version, ends } = publish(fold, item, before, projected);
  const state = ends ? null : projected.state;
  const reset = tracked && ends ? row.place : before.reset;
  if (state !== before.state || reset !== before.reset) kept.add(subject);
  const stored = before.stored || version > 0 || state !== null;
  const count = projected.events.length;
  if (tracked && !ends && (count > 0 || (feed.stateful && stored)))
    noteOrigin(fold, item, { ...before, version: version - count }, count);
  const erased = version > before.version ? ends : before.erased;
  const { id, projected: hydrated, places } = before;
  const after = { stored, id, version, erased, state, projected: hydrated, reset, places };
  placement.update(subject, before, after);
  settlePlaces(fold, subject, after);
}

function planOf(
  { placement, kept, replaced, origins, ahead, erased }: Fold,
  subjectOf: (name: string) => FeedSubject,
  failure: PlanFailure | null,
): FeedPlan {
  const placed = placement.placed();
  const written: string[] = [];
  const passed: [name: string, version: number][] = [];
  for (const [name, { version }] of placed.after) {
    const before = subjectOf(name);
    if (before.stored && (version > before.version || kept.has(name))) written.push(name);
    if (before.places.length > 0) passed.push([name, version]);
  }
  return { ...placed, kept: [...kept], written, replaced, erased, ahead, origins, passed, failure };
}

/**
 * Folds source events over the state of their subjects. Pure: the same events give the same plan, however they are
 * divided into batches. Events that a hydration has projected already are left out.
 */
export function planBatch(
  feed: Feed,
  { assigned, failure }: Assignment,
  subjectOf: (name: string) => FeedSubject,
  { tracked, touched = [], isAhead = () => false }: PlanOptions,
): FeedPlan {
  const placement: FeedPlacement = createPlacement(subjectOf);
  const fold: Fold = {
    feed,
    tracked,
    isAhead,
    placement,
    kept: new Set(),
    replaced: [],
    origins: [],
    ahead: [],
    erased: [],
  };
  for (const subject of touched) settlePlaces(fold, subject, placement.stateOf(subject));
  for (const item of assigned) {
    try {
      projectItem(fold, item);
    } catch (error) {
      return planOf(fold, subjectOf, failureAt(item.row, error));
    }
  }
  return planOf(fold, subjectOf, failure);
}
