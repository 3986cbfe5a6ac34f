import { type Cursor, eventIdOf } from "../core/cursor.ts";
import { applyOne } from "./apply.ts";
import type { ConsumerDeps } from "./deps.ts";
import { isHeld } from "./history.ts";
import type { SubjectCursor } from "./store.ts";
import { newCursor } from "./subject-cursor.ts";
import { type ConsumerEvent, consumerEvent } from "./types.ts";
import { isUnknownSubject } from "./unknown-subject.ts";

/** Reads a subject after its cursor, and handles the missing events. */
export interface Pulls {
  /**
   * Resolves with the subject's cursor when all events that the feed had at the time of the call are handled; null
   * when it has none. Calls during a request share the request after it.
   */
  toNow(subject: string, extent?: Extent): Promise<SubjectCursor | null>;
  /** Like `toNow`, but shares a request that is under way. */
  some(subject: string, extent?: Extent): Promise<SubjectCursor | null>;
}

/** Start of a subject without a cursor: the consumer's start, or the subject's own beginning. */
export type Extent = "since" | "whole";

export interface PullOptions {
  /** The consumer's start in the feed. */
  readonly since: () => Cursor;
  /** Called with each subject that was read to its end. */
  readonly onPulled: (cursor: SubjectCursor) => void;
}

interface Running {
  readonly current: Promise<SubjectCursor | null>;
  next: Promise<SubjectCursor | null> | null;
}

async function pull<Tx>(
  deps: ConsumerDeps<Tx>,
  subject: string,
  extent: Extent,
  { since, onPulled }: PullOptions,
): Promise<SubjectCursor | null> {
  const { client, store, key, log } = deps;
  const [kept] = await store.readSubjects(key, [subject]);
  const isCurrent = kept === undefined || (await isOfCurrentHistory(deps, kept));
  const readAfter = isCurrent ? (kept?.version ?? 0) : 0;
  const source = log === null ? { stream: subject } : { feed: log, subject };
  // Applies to a forgotten subject too: events that the consumer never handled stay unhandled.
  const isNew = kept === undefined || (kept.version === 0 && (kept.revised ?? 0) > 0);
  const began = since();
  const beginsLate = isNew && extent === "since" && began.position > 0;
  deps.counts.pulls += 1;
  let cursor = kept ?? null;
  /** Handles events of the subject. True: the subject must be read again. */
  const take = async (events: readonly ConsumerEvent[]): Promise<boolean> => {
    const { cursors, gaps } = await applyOne(deps, { subject, events, readAfter });
    cursor = cursors.get(subject) ?? cursor;
    return gaps.length > 0;
  };
  try {
    // Even when no event of the subject remains.
    if (!isCurrent) await take([]);
    const unreached = beginsLate ? await deps.firstUnreached(subject) : null;
    const isMine = ({ position, projectedFrom = position }: ConsumerEvent) =>
      unreached === null || position > began.position || projectedFrom >= unreached;
    const after =
      beginsLate && unreached === null ? { lastEventId: eventIdOf(began) } : { afterVersion: readAfter };
    for await (const page of client.readPages({ ...source, ...after })) {
      // Events of the subject were erased meanwhile: it is forgotten and read again from the beginning.
      if (await take(page.map(consumerEvent).filter(isMine)))
        return await pull(deps, subject, extent, { since, onPulled });
    }
  } catch (error) {
    if (!isUnknownSubject(error)) throw error;
    cursor = await forget(deps, subject);
  }
  if (cursor !== null) onPulled(cursor);
  return cursor;
}

/** Whether the feed still holds the last handled event of a subject. */
async function isOfCurrentHistory<Tx>(
  { history }: ConsumerDeps<Tx>,
  { identity, position }: SubjectCursor,
): Promise<boolean> {
  if (identity !== null && history.holds(identity, position) === null) await history.learn(identity);
  return isHeld(history, identity, position);
}

/** The feed has no events of a subject: none is handled, and none is missing. */
async function forget<Tx>({ store, key }: ConsumerDeps<Tx>, subject: string): Promise<SubjectCursor | null> {
  return store.transact(async (tx) => {
    const [cursor] = await store.lock(tx, key, [subject]);
    if (cursor === undefined || cursor.version > 0) return cursor ?? null;
    const forgotten = { ...newCursor(subject), identity: cursor.identity };
    await store.saveSubjects(tx, key, [forgotten]);
    return forgotten;
  });
}

export function createPulls<Tx>(deps: ConsumerDeps<Tx>, options: PullOptions): Pulls {
  const running = new Map<string, Running>();

  const start = (subject: string, extent: Extent): Promise<SubjectCursor | null> => {
    const name = nameOf(subject, extent);
    const current = pull(deps, subject, extent, options).finally(() => {
      const entry = running.get(name);
      if (entry?.current === current && entry.next === null) running.delete(name);
    });
    running.set(name, { current, next: null });
    return current;
  };

  return {
    toNow(subject, extent = "since") {
      const entry = running.get(nameOf(subject, extent));
      if (entry === undefined) return start(subject, extent);
      const again = () => start(subject, extent);
      entry.next ??= entry.current.then(again, again);
      return entry.next;
    },
    some: (subject, extent = "since") =>
      running.get(nameOf(subject, extent))?.current ?? start(subject, extent),
  };
}

function nameOf(subject: string, extent: Extent): string {
  return `${extent} ${subject}`;
}
