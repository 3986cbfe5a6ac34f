import type { PlannedErasures } from "../erase/erasures.ts";

/** The state of one subject, on which an append depends. */
export interface SubjectState {
  /** Whether it has a row; a batch that is under way counts as written. */
  readonly stored: boolean;
  /** Null while it is not known: then the row is found by name. */
  readonly id: number | null;
  /** Version of its last event; 0 while there is none. */
  readonly version: number;
  readonly erased: boolean;
}

/** An event with its place; the placed events of a batch are in order of position. */
export interface PlacedEvent<Event> {
  readonly subject: string;
  readonly subjectId: number | null;
  readonly version: number;
  readonly event: Event;
}

/** The events that one batch appends to a log, and the changes to their subjects. */
export interface PlacedEvents<State extends SubjectState, Event> extends PlannedErasures {
  readonly events: readonly PlacedEvent<Event>[];
  /** Positions that the events take, with those that stay empty. */
  readonly positions: number;
  /** Every subject that was updated, as it will be. */
  readonly after: ReadonlyMap<string, State>;
  readonly newSubjects: readonly string[];
}

/** Places the events of a batch, one after the other: each at the next position, as the next version of its subject. */
export interface Placement<State extends SubjectState, Event> {
  /** The subject after the events that were placed so far. */
  readonly stateOf: (subject: string) => State;
  /** The next position, counted from the head: 0 for the first. */
  nextOffset(): number;
  /** Leaves positions empty. */
  skip(positions: number): void;
  place(subject: string, subjectId: number | null, version: number, event: Event): void;
  /** Notes the subject as the events placed for it since `before` leave it; erased: the last of them is its tombstone. */
  update(subject: string, before: State, next: State): void;
  placed(): PlacedEvents<State, Event>;
}

/**
 * Places events in any log. Pure; the commit proves it: a state that was out of date makes a (subject, version) collide.
 * `storedState` returns a subject as it is before the batch.
 */
export function createPlacement<State extends SubjectState, Event>(
  storedState: (subject: string) => State,
): Placement<State, Event> {
  const events: PlacedEvent<Event>[] = [];
  let skipped = 0;
  const after = new Map<string, State>();
  const newSubjects: string[] = [];
  const tombstones: { subject: string; version: number }[] = [];
  /** Subjects whose last event was a tombstone when another was placed. */
  const wereErased = new Set<string>();
  return {
    stateOf: (subject) => after.get(subject) ?? storedState(subject),
    nextOffset: () => events.length + skipped,
    skip(positions) {
      skipped += positions;
    },
    place(subject, subjectId, version, event) {
      events.push({ subject, subjectId, version, event });
    },
    update(subject, before, next) {
      if (next.stored && !before.stored) newSubjects.push(subject);
      if (next.version > before.version) {
        if (before.erased) wereErased.add(subject);
        if (next.erased) tombstones.push({ subject, version: next.version });
      }
      after.set(subject, next);
    },
    placed: () => ({
      events,
      positions: events.length + skipped,
      after,
      newSubjects,
      tombstones,
      revived: [...wereErased].filter((subject) => after.get(subject)?.erased === false),
    }),
  };
}
