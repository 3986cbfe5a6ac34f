import { errorText } from "../../core/error-text.ts";
import { ERASED_TYPE } from "../../core/event.ts";
import type { DatedEventRow } from "../../log/append/append-batch.ts";
import { type Feed, type Projected, ProjectionError } from "../feed.ts";
import { createPlacing } from "./placing.ts";
import { ORIGIN_EXTENSION, type SourceRow } from "./source.ts";
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

/** An event of a subject: in `replaced` the first that is left of it. */
interface SubjectVersion {
  readonly subject: string;
  readonly version: number;
}

/** The result of projecting a batch of source events. */
export interface FeedPlan {
  /** In order of position. */
  readonly events: readonly DatedEventRow[];
  /** Positions that they take, with those that stay empty. */
  readonly positions: number;
  /** Every subject that was looked at, as it will be. */
  readonly after: ReadonlyMap<string, FeedSubject>;
  /** Those whose state or hydration is to be kept. */
  readonly kept: readonly string[];
  /** Those that existed before, and get events or another state. */
  readonly written: readonly string[];
  readonly newSubjects: readonly string[];
  readonly tombstones: readonly SubjectVersion[];
  /** Subjects that were erased without a tombstone: `erased` published something instead. */
  readonly replaced: readonly SubjectVersion[];
  readonly revived: readonly string[];
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
function extensionsText({ event }: SourceRow, more: Readonly<Record<string, unknown>>): string {
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

/** Folds source events over the state of their subjects, one at a time. */
function createFold(
  feed: Feed,
  subjectOf: (name: string) => FeedSubject,
  { tracked, isAhead = () => false }: PlanOptions,
) {
  const placing = createPlacing();
  const after = new Map<string, FeedSubject>();
  const kept = new Set<string>();
  const newSubjects = new Set<string>();
  const tombstones: SubjectVersion[] = [];
  const replaced: SubjectVersion[] = [];
  const touched = new Set<string>();
  const origins: OriginRow[] = [];
  const ahead: AheadRow[] = [];
  const erasedAt: number[] = [];

  /** The subject after the events so far, with the kept events that come next put back in their places. */
  const settled = (subject: string, before: FeedSubject): FeedSubject => {
    if (before.places.length === 0) return before;
    const { version, places } = placing.settle(before, subject);
    if (version === before.version) return { ...before, places };
    touched.add(subject);
    if (!before.stored) newSubjects.add(subject);
    return { ...before, version, places, stored: true, erased: false };
  };

  const settle = (subject: string): FeedSubject => {
    const now = settled(subject, after.get(subject) ?? subjectOf(subject));
    after.set(subject, now);
    return now;
  };

  /** Places the events published for an event, or its tombstone. Returns the subject's version, and whether it ends. */
  const place = (item: Assigned, before: FeedSubject, projected: Projected) => {
    const { row, subject } = item;
    let { version } = before;
    const add = (type: string, data: string | null, more: Record<string, unknown>) => {
      const extensions = extensionsText(row, more);
      version = placing.versionFor({ ...before, version }, type, extensions);
      if (isAhead(row)) ahead.push([placing.positions(), row.event.position]);
      placing.push(before, subject, version, {
        type,
        time: row.time,
        recorded: row.recorded,
        data,
        extensions,
      });
    };
    for (const { type, data } of projected.events) add(type, data, {});
    const isOwnTombstone = row.event.type === ERASED_TYPE && !feed.rekeyed;
    // Also for a subject that is erased already: its last tombstone remains, as in the source. Only the definition decides, since
    // a feed may be tracked only because an earlier release was.
    const ends = projected.erased || (isOwnTombstone && projected.events.length === 0);
    if (ends) {
      const { reason } = row.event.extensions;
      add(ERASED_TYPE, null, typeof reason === "string" ? { reason } : {});
      tombstones.push({ subject, version });
    } else if (isOwnTombstone && !tracked) {
      // A tracked feed erases by the origins of its events.
      const first = version - projected.events.length + 1;
      if (first > 1) replaced.push({ subject, version: first });
    }
    return { version, ends };
  };

  const project = (item: Assigned): void => {
    const { row, subject } = item;
    if (row.position <= (after.get(subject) ?? subjectOf(subject)).projected) return;
    const before = settle(subject);
    if (row.event.type === ERASED_TYPE && before.stored) erasedAt.push(row.position);
    const projected = projectRow(feed, item, before.state);
    const { version, ends } = place(item, before, projected);
    const state = ends ? null : projected.state;
    const reset = tracked && ends ? row.place : before.reset;
    if (version > before.version) touched.add(subject);
    if (state !== before.state || reset !== before.reset) kept.add(subject);
    const stored = before.stored || version > 0 || state !== null;
    if (stored && !before.stored) newSubjects.add(subject);
    const { id } = before;
    const count = projected.events.length;
    if (tracked && !ends && (count > 0 || (feed.stateful && stored)))
      origins.push([
        row.position,
        id,
        id === null ? subject : null,
        version - count,
        count,
        row.place === row.position ? null : row.place,
      ]);
    const erased = version > before.version ? ends : before.erased;
    after.set(subject, settled(subject, { ...before, stored, version, erased, state, reset }));
  };

  const plan = (failure: PlanFailure | null): FeedPlan => {
    const wereErased = (name: string) =>
      subjectOf(name).erased || tombstones.some(({ subject }) => subject === name);
    return {
      events: placing.events,
      positions: placing.positions(),
      after,
      kept: [...kept],
      written: [...new Set([...touched, ...kept])].filter((name) => !newSubjects.has(name)),
      newSubjects: [...newSubjects],
      tombstones,
      replaced,
      revived: [...touched].filter((name) => wereErased(name) && after.get(name)?.erased === false),
      erased: erasedAt,
      ahead,
      origins,
      passed: [...after].flatMap(([name, { version }]) =>
        subjectOf(name).places.length > 0 ? [[name, version] as const] : [],
      ),
      failure,
    };
  };

  return { settle, project, plan };
}

/**
 * Folds source events over the state of their subjects. Pure: the same events give the same plan, however they are
 * divided into batches. Events that a hydration has projected already are left out.
 */
export function planBatch(
  feed: Feed,
  { assigned, failure }: Assignment,
  subjectOf: (name: string) => FeedSubject,
  options: PlanOptions,
): FeedPlan {
  const { settle, project, plan } = createFold(feed, subjectOf, options);
  for (const subject of options.touched ?? []) settle(subject);
  for (const item of assigned) {
    try {
      project(item);
    } catch (error) {
      return plan(failureAt(item.row, error));
    }
  }
  return plan(failure);
}
