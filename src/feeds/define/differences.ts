import { groupBy } from "../../core/group-by.ts";
import { type ValueDifference, valueDifferences } from "../../core/value-differences.ts";

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

/** The corresponding events of two versions of a feed. Null: one version publishes none. */
export interface Correspondence {
  readonly projectedFrom: number | null;
  readonly left: ComparableEvent | null;
  readonly right: ComparableEvent | null;
  readonly differences: readonly ValueDifference[];
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
