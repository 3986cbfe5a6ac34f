import { ERASED_IN_PART_TYPE, ERASED_TYPE, EVENT_ERASED_TYPE } from "../core/event.ts";
import type { ConsumerDeps } from "./deps.ts";
import { HandlerError } from "./failure.ts";
import { isHeld, UnknownIdentityError } from "./history.ts";
import { resetSubject } from "./restore.ts";
import type { FeedChanges, SubjectCursor } from "./store.ts";
import { cursorAfter, newCursor } from "./subject-cursor.ts";
import { type ConsumerEvent, isErased } from "./types.ts";

/** Events of one subject in order of version. */
export interface SubjectEvents {
  readonly subject: string;
  readonly events: readonly ConsumerEvent[];
  /**
   * The events were read from the subject after this version, so a version missing among them no longer exists. Null:
   * they arrived in another way, and events may be missing.
   */
  readonly readAfter: number | null;
}

export interface Applied {
  /** Subjects whose next event is not the one after their cursor. */
  readonly gaps: readonly string[];
  readonly cursors: ReadonlyMap<string, SubjectCursor>;
}

/** The first erased version that an event at the head of a subject reports; null for any other event. */
function firstErasedInPart({ type, data }: ConsumerEvent): number | null {
  if (type !== ERASED_IN_PART_TYPE) return null;
  const { versions } = data as { readonly versions: readonly (readonly [low: number, high: number])[] };
  return versions.reduce((least, [low]) => Math.min(least, low), Number.POSITIVE_INFINITY);
}

/**
 * The tombstone that handlers get when some events of a subject were erased: they forget the subject, and the
 * remaining events follow.
 */
function tombstoneOf(event: ConsumerEvent): ConsumerEvent {
  return { ...event, type: ERASED_TYPE, data: undefined, erased: true };
}

interface Progress {
  readonly cursor: SubjectCursor;
  readonly handled: number;
  readonly duplicates: number;
  readonly gap: boolean;
  /** The subject was reset: the feed no longer has the handled events. */
  readonly reset: boolean;
}

/** Handles the events of a subject after its cursor, up to a gap. */
async function applySubject<Tx>(
  deps: ConsumerDeps<Tx>,
  tx: Tx,
  start: SubjectCursor,
  work: SubjectEvents,
): Promise<Progress> {
  const { handle, history } = deps;
  const reset = !isHeld(history, start.identity, start.position);
  let cursor = reset ? await resetSubject(deps, tx, start.subject, history.current) : start;
  const complete = work.readAfter !== null && work.readAfter <= cursor.version;
  let duplicates = 0;
  let handled = 0;
  for (const event of work.events) {
    // A late event of a former history of the feed does not count.
    if (!isHeld(history, event.logIdentity ?? null, event.position)) continue;
    if (event.version <= cursor.version) {
      duplicates += 1;
      continue;
    }
    // A tombstone replaces all earlier events, so none is missing.
    const follows = complete || event.version === cursor.version + 1 || isErased(event);
    if (!follows) return { cursor, handled, duplicates, gap: true, reset };
    const erasedFrom = firstErasedInPart(event);
    // The page was read from before the erased events, so none of them was handled.
    const isKnown = event.version <= (cursor.revised ?? 0) || (complete && start.version < (erasedFrom ?? 0));
    if (event.type === EVENT_ERASED_TYPE || (erasedFrom !== null && isKnown)) {
      cursor = cursorAfter(cursor, event);
      handled += 1;
      continue;
    }
    try {
      await handle(erasedFrom === null ? event : tombstoneOf(event), tx);
    } catch (error) {
      throw new HandlerError(event, error);
    }
    handled += 1;
    if (erasedFrom !== null) {
      // The remaining events are read again from the beginning.
      const known = Math.max(cursor.known, event.version);
      cursor = { ...cursor, version: 0, known, revised: event.version };
      return { cursor, handled, duplicates, gap: true, reset };
    }
    cursor = cursorAfter(cursor, event);
  }
  return { cursor, handled, duplicates, gap: false, reset };
}

async function applyAll<Tx>(
  deps: ConsumerDeps<Tx>,
  tx: Tx,
  work: readonly SubjectEvents[],
  cursors: ReadonlyMap<string, SubjectCursor>,
): Promise<Progress[]> {
  const one = (each: SubjectEvents) =>
    applySubject(deps, tx, cursors.get(each.subject) ?? newCursor(each.subject), each);
  if (!deps.store.sharesTransactions) {
    const done: Progress[] = [];
    for (const each of work) done.push(await one(each));
    return done;
  }
  // Every handler ends before the transaction does.
  const settled = await Promise.allSettled(work.map(one));
  return settled.map((each) => {
    if (each.status === "rejected") throw each.reason;
    return each.value;
  });
}

/** A subject is blocked while it lacks events that the feed is known to have. */
function settledCursor(cursor: SubjectCursor): SubjectCursor {
  if (cursor.version < cursor.known) return { ...cursor, status: "blocked" };
  return { ...cursor, status: "following", failure: null };
}

/**
 * Handles events of some subjects in one transaction, with their cursors. The transaction reads the cursors, so that
 * no event is handled twice, even if another call or process has handled some of them. Saves `feed` as well, unless
 * there is a gap. Rejects with a HandlerError, and changes nothing, if a handler fails.
 */
export async function apply<Tx>(
  deps: ConsumerDeps<Tx>,
  work: readonly SubjectEvents[],
  feed: FeedChanges | null,
): Promise<Applied> {
  for (;;) {
    try {
      return await applyOnce(deps, work, feed);
    } catch (error) {
      if (!(error instanceof UnknownIdentityError)) throw error;
      await deps.history.learn(error.identity);
    }
  }
}

async function applyOnce<Tx>(
  deps: ConsumerDeps<Tx>,
  work: readonly SubjectEvents[],
  feed: FeedChanges | null,
): Promise<Applied> {
  const { store, key, counts } = deps;
  const names = work.map(({ subject }) => subject);
  const { applied, done } = await store.transact(async (tx) => {
    const before = new Map((await store.lock(tx, key, names)).map((cursor) => [cursor.subject, cursor]));
    const admitted = await deps.admit(tx, names, before);
    const mine = work.filter(({ subject }) => admitted.has(subject));
    const progress = await applyAll(deps, tx, mine, before);
    const gaps = progress.filter(({ gap }) => gap).map(({ cursor }) => cursor.subject);
    // A blocked subject that a pull found complete is saved even without a handled event.
    const changed = progress
      .filter(({ cursor, handled, reset }) => handled > 0 || reset || cursor.status === "blocked")
      .map(({ cursor }) => settledCursor(cursor));
    if (changed.length > 0) await store.saveSubjects(tx, key, changed);
    if (feed !== null && gaps.length === 0) await store.saveFeed(tx, key, feed);
    const cursors = new Map([...before, ...changed.map((cursor) => [cursor.subject, cursor] as const)]);
    return { applied: { gaps, cursors }, done: progress };
  });
  for (const { handled, duplicates } of done) {
    counts.handled += handled;
    counts.duplicates += duplicates;
  }
  return applied;
}

/** Handles events of one subject. If a handler fails, commits the events before the failure, and still rejects. */
export async function applyOne<Tx>(deps: ConsumerDeps<Tx>, work: SubjectEvents): Promise<Applied> {
  try {
    return await apply(deps, [work], null);
  } catch (error) {
    if (!(error instanceof HandlerError)) throw error;
    const events = work.events.filter(({ version }) => version < error.version);
    if (events.length > 0) await applyOne(deps, { ...work, events });
    throw error;
  }
}
