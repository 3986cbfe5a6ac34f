import type { RewindRange, Rewind } from "./subscription.ts";

/** Most ranges in the queue of a rewind; beyond, the two closest to each other are merged. */
const MOST_RANGES = 100;

function touch(a: RewindRange, b: RewindRange): boolean {
  return a.after <= b.upTo && b.after <= a.upTo;
}

function hull(a: RewindRange, b: RewindRange): RewindRange {
  return { after: Math.min(a.after, b.after), upTo: Math.max(a.upTo, b.upTo) };
}

/** Merges the two neighbors with the smallest gap between them. */
function withFewer(ranges: readonly RewindRange[]): RewindRange[] {
  const gapBefore = (index: number) => (ranges[index]?.after ?? 0) - (ranges[index - 1]?.upTo ?? 0);
  let closest = 1;
  for (let index = 2; index < ranges.length; index += 1)
    if (gapBefore(index) < gapBefore(closest)) closest = index;
  const [left, right] = [ranges[closest - 1], ranges[closest]];
  if (left === undefined || right === undefined) return [...ranges];
  return [...ranges.slice(0, closest - 1), hull(left, right), ...ranges.slice(closest + 1)];
}

/**
 * Adds a range to a rewind. The range that is being walked stays as it is, so that subjects that the walk has passed
 * lose no part; queued ranges are merged where they touch. Every position of every range is in one of them.
 */
export function withRange(rewind: Rewind | null, range: RewindRange): Rewind {
  if (rewind === null) return { ...range, walked: range.after };
  const waiting = rewind.queued ?? [];
  const merged = waiting.filter((other) => touch(other, range)).reduce(hull, range);
  const separate = waiting.filter((other) => !touch(other, range));
  const ranges = [...separate, merged].toSorted((a, b) => a.after - b.after);
  return {
    ...rewind,
    queued: ranges.length > MOST_RANGES ? withFewer(ranges) : ranges,
  };
}

/** The rewind after its first range was walked; null when that was the last one. */
export function nextRange({ queued = [] }: Rewind): Rewind | null {
  const [next, ...rest] = queued;
  if (next === undefined) return null;
  return rest.length === 0 ? { ...next, walked: next.after } : { ...next, walked: next.after, queued: rest };
}
