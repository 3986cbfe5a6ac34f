import { KildeError } from "../../core/errors.ts";
import { type ErasedRange, nextErasedRanges } from "../../log/erase/erased-ranges.ts";
import { NOTHING_PUBLISHED } from "../project/commit.ts";
import { eraseOrigins } from "./erase-origins.ts";
import { type ErasingStep, type ErasingWork, rangeApplied, writeErasing } from "./erasing-work.ts";
import { hydrateTo } from "../project/hydrate-subject.ts";
import { revise } from "../lifecycle/revise.ts";
import { nextRevisions } from "../lifecycle/revisions.ts";
import { readFeedSubjects } from "../subjects.ts";

/*
 * Applies an erasure of the source to a feed, a small batch at a time. Each batch raises the feed's epoch, as every
 * write to it does, so that any process may do the work at any time: the projector before it continues, or a hydration.
 *
 * In a feed that tracks its origins, the events that came from erased ones are erased in place: they keep position
 * and version. A stateful feed erases the subject from the first of them on, folds the remaining events again, and publishes
 * the result after an event at the head which names the erased versions. Any other feed is named like its source, so that
 * the tombstone erases it; only the subject need not wait until the projector, which may be halted, gets there.
 */

/** Source events that a projector is expected to project soon. */
const SOON_EVENTS = 1_000;

/** Subjects that one batch erases from, or publishes again. */
const REVISIONS = 100;

/** Erasures of streams that one step handles. */
const OWN_RANGES = 500;

/**
 * Subjects that are named as in the source: the tombstones erase them. Those that the projector gets to before long are
 * left to it.
 */
async function eraseOwn(work: ErasingWork, after: number): Promise<ErasingStep> {
  const { deps, registered, record } = work;
  const { log, source } = registered;
  const ranges = await nextErasedRanges(deps.database, source, after, OWN_RANGES);
  const last = ranges.at(-1);
  if (last === undefined) return { kind: "idle" };
  const soon = record.status === "live" ? record.cursor + SOON_EVENTS : record.cursor;
  const isLate = ({ position }: ErasedRange) => position > soon;
  const passed = ranges.findLast((range) => !isLate(range));
  if (passed !== undefined && record.status === "live") return { kind: "passed", range: passed };
  const late = ranges.filter(isLate);
  const known = await readFeedSubjects(deps.database, log, [...new Set(late.map(({ subject }) => subject))]);
  const first = late.find(({ subject }) => known.has(subject));
  if (first === undefined) return writeErasing(work, NOTHING_PUBLISHED, [rangeApplied(log, last)]);
  try {
    await hydrateTo(deps, registered, first.subject, first.position);
  } catch (error) {
    // The projector halts there, visibly.
    if (!(error instanceof KildeError && error.code === "projection-failed")) throw error;
  }
  await deps.writer.write([rangeApplied(log, first)]);
  return { kind: "outdated" };
}

/** One step of the work on a feed, in any process. `passed`: the last range that was left to this projector. */
export async function eraseStep(work: ErasingWork, passed = 0): Promise<ErasingStep> {
  const { deps, registered, record } = work;
  const { log, source, tracked } = registered;
  if (!tracked) return eraseOwn(work, Math.max(record.erased, passed));
  // Erasures wait until the origins of earlier events are known; see `tracing.ts`.
  if (record.traced !== null) return { kind: "idle" };
  const [range] = await nextErasedRanges(deps.database, source, record.erased, 1);
  if (range !== undefined) return eraseOrigins(work, range);
  return revise(work, await nextRevisions(deps.database, log, REVISIONS));
}
