import { apply, applyOne, type SubjectEvents } from "./apply.ts";
import { type Behind, type Blocked, blockedCursor } from "./blocked.ts";
import type { ConsumerDeps } from "./deps.ts";
import { HandlerError } from "./failure.ts";
import { heldEvents } from "./history.ts";
import { eachOf } from "./limited.ts";
import type { Pulls } from "./pull.ts";
import { LogRestoredError } from "./restore.ts";
import { isRetirement } from "./retired.ts";
import type { FeedChanges } from "./store.ts";
import { newCursor } from "./subject-cursor.ts";
import type { ConsumerEvent } from "./types.ts";

/** Subjects of one delivery that are pulled concurrently. */
const PULLS = 8;

/** Failures of a transaction outside of handlers after which its subjects are tried one by one. */
const ATTEMPTS = 3;

const ATTEMPT_DELAY_MS = 20;

export interface DeliverDeps<Tx> extends ConsumerDeps<Tx> {
  readonly blocked: Blocked;
  readonly pulls: Pulls;
}

function lastVersion({ events }: SubjectEvents): number {
  return events.reduce((most, { version }) => Math.max(most, version), 0);
}

/** Groups events by subject, in order of version. The events may be in any order. */
function bySubject(events: readonly ConsumerEvent[]): SubjectEvents[] {
  const found = new Map<string, ConsumerEvent[]>();
  for (const event of events) {
    const list = found.get(event.subject);
    if (list === undefined) found.set(event.subject, [event]);
    else list.push(event);
  }
  return [...found].map(([subject, list]) => ({
    subject,
    events: list.toSorted((a, b) => a.version - b.version),
    readAfter: null,
  }));
}

function parts<Item>(items: readonly Item[], count: number): Item[][] {
  const size = Math.max(1, Math.ceil(items.length / count));
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}

/** Result of a delivery for its subjects. */
interface Outcome {
  readonly gaps: Set<string>;
  readonly failed: Map<string, unknown>;
  /** The feed's cursor was saved, too. */
  kept: boolean;
}

/**
 * Handles the subjects in one transaction. If that fails, handles each half in its own transaction, so that a subject
 * whose handler fails delays no other.
 */
async function attempt<Tx>(
  deps: DeliverDeps<Tx>,
  work: readonly SubjectEvents[],
  feed: FeedChanges | null,
  outcome: Outcome,
): Promise<void> {
  for (let attempts = 1; ; attempts += 1) {
    try {
      const [one] = work;
      const alone = one !== undefined && work.length === 1 && feed === null;
      const { gaps } = alone ? await applyOne(deps, one) : await apply(deps, work, feed);
      for (const subject of gaps) outcome.gaps.add(subject);
      if (feed !== null && gaps.length === 0) outcome.kept = true;
      return;
    } catch (error) {
      if (error instanceof LogRestoredError) throw error;
      if (!(error instanceof HandlerError) && attempts < ATTEMPTS) {
        await deps.clock.sleep(ATTEMPT_DELAY_MS * 2 ** attempts);
        continue;
      }
      const [first] = work;
      if (first === undefined) throw error;
      if (work.length === 1 && feed === null) {
        deps.counts.failures += 1;
        deps.report(error);
        outcome.failed.set(first.subject, error);
        return;
      }
    }
    for (const half of parts(work, 2)) await attempt(deps, half, null, outcome);
    return;
  }
}

/**
 * Saves subjects as blocked that have not reached the end of the delivery, so that the feed's cursor may move past
 * them.
 */
async function block<Tx>(
  { store, key, blocked, clock }: DeliverDeps<Tx>,
  behind: ReadonlyMap<string, Behind>,
  feed: FeedChanges | null,
): Promise<void> {
  const names = [...behind.keys()];
  const cursors = await store.transact(async (tx) => {
    const before = new Map((await store.lock(tx, key, names)).map((each) => [each.subject, each]));
    const changed = [...behind].flatMap(([subject, each]) => {
      const after = blockedCursor(before.get(subject) ?? newCursor(subject), each, clock.now());
      return after === null ? [] : [after];
    });
    if (changed.length > 0) await store.saveSubjects(tx, key, changed);
    if (feed !== null) await store.saveFeed(tx, key, feed);
    return [...before.values(), ...changed];
  });
  blocked.learn(cursors);
}

/**
 * Handles events in any order, and saves the feed's cursor if one is given. When it resolves, each event is handled,
 * or its subject is saved as blocked. Rejects only when the store fails.
 */
export async function deliver<Tx>(
  deps: DeliverDeps<Tx>,
  events: readonly ConsumerEvent[],
  feed: FeedChanges | null,
): Promise<void> {
  const { blocked, pulls, counts, store } = deps;
  const all = bySubject(await heldEvents(deps.history, events));
  const held = all.filter(({ subject }) => blocked.has(subject));
  const free = all.filter(({ subject }) => !blocked.has(subject));
  const outcome: Outcome = { gaps: new Set(), failed: new Map(), kept: false };
  const groups = parts(free, store.transactions);
  const together = groups.length === 1 && held.length === 0 ? feed : null;
  await Promise.all(groups.map((group) => attempt(deps, group, together, outcome)));

  const behind = new Map<string, Behind>();
  const mark = (each: SubjectEvents, error: unknown) =>
    void behind.set(each.subject, { known: lastVersion(each), error });
  for (const each of held) mark(each, null);
  for (const each of free) {
    if (outcome.failed.has(each.subject)) mark(each, outcome.failed.get(each.subject));
  }
  const gaps = free.filter(({ subject }) => outcome.gaps.has(subject));
  counts.gaps += gaps.length;
  await eachOf(gaps, PULLS, async (each) => {
    // After a success or a failure, only the saved cursor counts.
    const error = await pulls.toNow(each.subject).then(
      () => null,
      (reason: unknown) => reason,
    );
    if (error !== null) deps.report(error);
    if (error instanceof HandlerError) counts.failures += 1;
    mark(each, error);
  });
  if (behind.size > 0 || (feed !== null && !outcome.kept)) await block(deps, behind, feed);
}

/** Reports a failed pull, and blocks its subject if the handler failed. */
export async function noteFailure<Tx>(deps: DeliverDeps<Tx>, subject: string, error: unknown): Promise<void> {
  deps.report(error);
  if (!(error instanceof HandlerError)) return;
  deps.counts.failures += 1;
  await block(deps, new Map([[subject, { known: error.version, error }]]), null);
}

/** Retries blocked subjects when they are due, until the signal aborts. */
export async function retryBlocked<Tx>(deps: DeliverDeps<Tx>, signal: AbortSignal): Promise<void> {
  const { blocked, pulls, counts } = deps;
  while (!signal.aborted) {
    await eachOf(blocked.due(), PULLS, async (subject) => {
      try {
        await retry(subject);
      } catch (error) {
        if (isRetirement(error)) throw error;
        // The store failed: the subject stays due.
        deps.report(error);
        await deps.clock.sleep(ATTEMPT_DELAY_MS, signal);
      }
    });
    await blocked.wait(signal);
  }

  async function retry(subject: string): Promise<void> {
    try {
      const cursor = await pulls.toNow(subject);
      if (cursor?.status !== "blocked") return;
      throw new Error(`The feed has ${cursor.known} versions of it, but returned ${cursor.version}`);
    } catch (error) {
      if (isRetirement(error)) throw error;
      if (error instanceof HandlerError) counts.failures += 1;
      deps.report(error);
      const known = blocked.list().find((each) => each.subject === subject)?.known ?? 0;
      await block(deps, new Map([[subject, { known, error }]]), null);
    }
  }
}
