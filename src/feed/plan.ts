import { ERASED_TYPE } from "../core/event.ts";
import { type Feed, ProjectionError } from "./feed.ts";
import { ORIGIN_EXTENSION, type SourceRow } from "./source.ts";
import type { FeedSubject } from "./subjects.ts";

/** What an integration event takes over from the event it is published for. */
const CARRIED_EXTENSIONS = ["correlationid", "causationid", "traceparent", "tracestate"];

/** A row for `write.ts`: subject id, name where it has none yet, version, and the event. */
export type PlacedRow = readonly [
  subjectId: number | null,
  name: string | null,
  version: number,
  type: string,
  time: string | null,
  recorded: string,
  data: string | null,
  extensions: string,
];

export interface PlanFailure {
  /** Position in the log that is read. */
  readonly position: number;
  readonly error: ProjectionError;
}

/** What a batch of source events becomes. */
export interface FeedPlan {
  /** In order of position. */
  readonly events: readonly PlacedRow[];
  /** Every subject that was looked at, as it will be. */
  readonly after: ReadonlyMap<string, FeedSubject>;
  /** Those whose state or hydration is to be kept. */
  readonly kept: readonly string[];
  readonly newSubjects: readonly string[];
  readonly tombstones: readonly { readonly subject: string; readonly version: number }[];
  readonly revived: readonly string[];
  /** Positions, in the log that is read, of tombstones: what was made of the events before them goes. */
  readonly erased: readonly number[];
  /** The event that cannot be projected: what came before it is in the plan, and nothing after it. */
  readonly failure: PlanFailure | null;
}

/** A source event with the subject it counts for. */
export interface Assigned {
  readonly row: SourceRow;
  readonly subject: string;
}

function failureAt({ position, event }: SourceRow, error: unknown): PlanFailure {
  if (error instanceof ProjectionError) return { position, error };
  const message = error instanceof Error ? error.message : String(error);
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

/** The extensions of what is published for an event, and more that come first, as JSON text. */
function extensionsText({ event }: SourceRow, more: Readonly<Record<string, unknown>>): string {
  const written: Record<string, unknown> = { ...more };
  for (const name of CARRIED_EXTENSIONS) {
    const value = event.extensions[name];
    if (value !== undefined) written[name] = value;
  }
  written[ORIGIN_EXTENSION] = String(event.position);
  return JSON.stringify(written);
}

/**
 * Folds source events over the state of their subjects. Pure: the same events give the same plan, however they are
 * divided into batches. Events that a hydration has projected already are left out.
 */
export function planBatch(
  feed: Feed,
  { assigned, failure }: ReturnType<typeof assign>,
  subjectOf: (name: string) => FeedSubject,
): FeedPlan {
  const after = new Map<string, FeedSubject>();
  const events: PlacedRow[] = [];
  const kept = new Set<string>();
  const newSubjects = new Set<string>();
  const tombstones: { subject: string; version: number }[] = [];
  const touched = new Set<string>();
  const erasedAt: number[] = [];

  const project = ({ row, subject }: Assigned) => {
    const before = after.get(subject) ?? subjectOf(subject);
    if (row.position <= before.projected) return;
    if (row.event.type === ERASED_TYPE && before.stored) erasedAt.push(row.position);
    const { state, events: published, erased } = feed.project(subject, row.event, before.state);
    let { version } = before;
    const name = before.id === null ? subject : null;
    const place = (type: string, data: string | null, more: Record<string, unknown>) => {
      version += 1;
      const extensions = extensionsText(row, more);
      events.push([before.id, name, version, type, row.time, row.recorded, data, extensions]);
    };
    for (const { type, data } of published) place(type, data, {});
    // Also for a subject that is erased already: what is to be seen of it is its last tombstone, as in the source.
    if (erased) {
      const { reason } = row.event.extensions;
      place(ERASED_TYPE, null, typeof reason === "string" ? { reason } : {});
      tombstones.push({ subject, version });
    }
    const nextState = erased ? null : state;
    if (version > before.version) touched.add(subject);
    if (nextState !== before.state) kept.add(subject);
    const stored = before.stored || version > 0 || nextState !== null;
    if (stored && !before.stored) newSubjects.add(subject);
    const isErased = version > before.version ? erased : before.erased;
    const { id, projected } = before;
    after.set(subject, { stored, id, version, erased: isErased, state: nextState, projected });
  };

  let failed = failure;
  for (const item of assigned) {
    try {
      project(item);
    } catch (error) {
      failed = failureAt(item.row, error);
      break;
    }
  }
  const revived = [...touched].filter(
    (subject) => subjectOf(subject).erased || tombstones.some((tombstone) => tombstone.subject === subject),
  );
  return {
    events,
    after,
    kept: [...kept],
    newSubjects: [...newSubjects],
    tombstones,
    erased: erasedAt,
    revived: revived.filter((subject) => after.get(subject)?.erased === false),
    failure: failed,
  };
}
