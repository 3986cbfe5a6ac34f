import { KildeError } from "../core/errors.ts";
import { type Database, integerAt, textAt } from "../log/database.ts";
import { type ErasedRange, nextErasedRange } from "../log/erased-ranges.ts";
import type { LogState } from "../log/log-state.ts";
import { createFeedCommits, NOTHING_PUBLISHED } from "./commit.ts";
import { eraseOrigins } from "./erase-origins.ts";
import { type ErasingStep, type ErasingWork, rangeApplied, writeErasing } from "./erasing-work.ts";
import { hydrateTo } from "./hydrate-subject.ts";
import type { FeedRecord } from "./record.ts";
import type { RegisteredFeed } from "./register.ts";
import { revise } from "./revise.ts";
import { nextRevision } from "./revisions.ts";
import { readFeedSubjects } from "./subjects.ts";

/*
 * What an erasure in the source does to a feed, a small batch at a time. Each batch raises the feed's epoch, as every
 * write to it does, so that any process may do the work at any time: the projector before it goes on, or a hydration.
 *
 * In a feed that tracks its origins, the events that came from what was erased are erased in place: they keep position
 * and version. A stateful feed erases the subject from the first of them on, folds what remains again, and publishes
 * that after an event at the head which names the erased versions. Any other feed is named like its source, so that
 * the tombstone erases it; only the subject need not wait until the projector, which may be halted, gets there.
 */

/** Source events that a projector is expected to go through before long. */
const SOON_EVENTS = 1_000;

/** Arguments: source's log id, id of the feed's last applied range, the feed's log id. */
export const SELECT_SOURCE_NEWS = `
select log.head, exists (select 1 from erased_ranges where log = ?1 and id > ?2),
  exists (select 1 from feed_revisions where log = ?3), log.identity
from logs as log where log.id = ?1`;

/** The state of the source, and whether what was erased up to it is still to be erased from the feed. */
export async function readSourceNews(
  database: Database,
  { log, source }: RegisteredFeed,
  { erased }: FeedRecord,
): Promise<LogState & { readonly erasing: boolean }> {
  const [row] = await database.read({ sql: SELECT_SOURCE_NEWS, args: [source.id, erased, log.id] });
  if (row === undefined) return { head: 0, identity: "", erasing: false };
  const erasing = integerAt(row, 1) + integerAt(row, 2) > 0;
  return { head: integerAt(row, 0), identity: textAt(row, 3), erasing };
}

/** A subject that is named as in the source: its tombstone erases it. */
async function eraseOwn(work: ErasingWork, range: ErasedRange): Promise<ErasingStep> {
  const { deps, registered, record } = work;
  const { log } = registered;
  const { subject, position } = range;
  const soon = record.status === "live" ? record.cursor + SOON_EVENTS : record.cursor;
  const known = position <= soon ? null : await readFeedSubjects(deps.database, log, [subject]);
  if (known === null || !known.has(subject))
    return writeErasing(work, NOTHING_PUBLISHED, [rangeApplied(log, range)]);
  try {
    await hydrateTo(deps, registered, createFeedCommits(deps, registered), subject, position);
  } catch (error) {
    // The projector halts there, visibly.
    if (!(error instanceof KildeError && error.code === "projection-failed")) throw error;
  }
  await deps.writer.write([rangeApplied(log, range)]);
  return { kind: "outdated" };
}

/** One step of the work on a feed, in any process. */
export async function eraseStep(work: ErasingWork): Promise<ErasingStep> {
  const { deps, registered, record } = work;
  const { log, source, tracked } = registered;
  // Until it is known where earlier events came from, erasures wait; see `tracing.ts`.
  if (tracked && record.traced !== null) return { kind: "idle" };
  const range = await nextErasedRange(deps.database, source, record.erased);
  if (range !== null) return tracked ? eraseOrigins(work, range) : eraseOwn(work, range);
  const revision = await nextRevision(deps.database, log);
  return revision === null ? { kind: "idle" } : revise(work, revision);
}
