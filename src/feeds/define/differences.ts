import { groupBy } from "../../core/group-by.ts";
import { jsonPointer } from "../../core/json-pointer.ts";

/** An event of a feed, as it is read. */
export interface ComparableEvent {
  readonly type: string;
  /** Version within the subject. */
  readonly version: number;
  /** Absent, or null, for a tombstone. */
  readonly data: unknown;
  /** Position of the event it was made of; null where the feed does not record it. */
  readonly projectedFrom: number | null;
}

/** Where two JSON values differ; a side that has nothing there is `undefined`. */
export interface ValueDifference {
  readonly pointer: string;
  readonly left: unknown;
  readonly right: unknown;
}

/** The corresponding events of two versions of a feed. Null: one version publishes none. */
export interface Correspondence {
  readonly projectedFrom: number | null;
  readonly left: ComparableEvent | null;
  readonly right: ComparableEvent | null;
  readonly differences: readonly ValueDifference[];
}

function membersOf(value: unknown): ReadonlyMap<string | number, unknown> | null {
  if (typeof value !== "object" || value === null) return null;
  return Array.isArray(value) ? new Map(value.entries()) : new Map(Object.entries(value));
}

/** Every place where two JSON values differ, outermost first. */
export function valueDifferences(
  left: unknown,
  right: unknown,
  path: readonly (string | number)[] = [],
): ValueDifference[] {
  const [leftMembers, rightMembers] = [membersOf(left), membersOf(right)];
  if (leftMembers === null || rightMembers === null || Array.isArray(left) !== Array.isArray(right)) {
    return Object.is(left, right) ? [] : [{ pointer: jsonPointer(path), left, right }];
  }
  const names = new Set([...leftMembers.keys(), ...rightMembers.keys()]);
  return [...names].flatMap((name) =>
    valueDifferences(leftMembers.get(name), rightMembers.get(name), [...path, name]),
  );
}

function byOrigin(events: readonly ComparableEvent[]): Map<number | null, ComparableEvent[]> {
  return groupBy(events, ({ projectedFrom }) => projectedFrom);
}

/**
 * Pairs the events that two versions of a feed publish of one subject: events that were made of the same event belong
 * together, in their order; so do those of which it is not known.
 */
export function correspondences(
  left: readonly ComparableEvent[],
  right: readonly ComparableEvent[],
): Correspondence[] {
  const [lefts, rights] = [byOrigin(left), byOrigin(right)];
  const origins = [...new Set([...lefts.keys(), ...rights.keys()])];
  return origins
    .toSorted((a, b) => (a ?? 0) - (b ?? 0))
    .flatMap((projectedFrom) => {
      const [ones, others] = [lefts.get(projectedFrom) ?? [], rights.get(projectedFrom) ?? []];
      return Array.from({ length: Math.max(ones.length, others.length) }, (_, index): Correspondence => {
        const [one, other] = [ones[index] ?? null, others[index] ?? null];
        const differences = one === null || other === null ? [] : valueDifferences(one.data, other.data);
        return { projectedFrom, left: one, right: other, differences };
      });
    });
}
