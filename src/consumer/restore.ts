import { isErrorNamed } from "../core/errors.ts";
import type { ConsumerDeps } from "./deps.ts";
import { type FeedPosition, positionOf } from "./feed-position.ts";
import { type History, isHeld } from "./history.ts";
import { withoutWalk } from "./reconstitution.ts";
import type { FeedCursor, SubjectCursor } from "./store.ts";
import { newCursor } from "./subject-cursor.ts";

/** Subjects that one transaction resets. */
const PAGE = 500;

/**
 * The feed was restored from a backup and no longer has events that the consumer has handled, and the consumer has no
 * `reset` to undo them. The consumer halts.
 */
export class LogRestoredError extends Error {
  static override [Symbol.hasInstance](value: unknown): boolean {
    return isErrorNamed(value, "LogRestoredError");
  }

  override readonly name = "LogRestoredError";
  /** One of the subjects whose events the feed no longer has. */
  readonly subject: string;

  constructor(feed: string, subject: string) {
    super(
      `${feed} was restored, and no longer has events of ${JSON.stringify(subject)} that were handled. ` +
        "Give the consumer `reset(subject, tx)`, which removes all that its handler made of a subject",
    );
    this.subject = subject;
  }
}

/** Calls `reset` for a subject, and returns a cursor with which the subject is read again. */
export async function resetSubject<Tx>(
  { reset, log, counts }: Pick<ConsumerDeps<Tx>, "reset" | "log" | "counts">,
  tx: Tx,
  subject: string,
  identity: string | null,
): Promise<SubjectCursor> {
  if (reset === null) throw new LogRestoredError(log ?? "The event log", subject);
  await reset(subject, tx);
  counts.resets += 1;
  return { ...newCursor(subject), identity };
}

/**
 * The subjects of a page with handled events that the feed no longer has, and those of them that another version has
 * taken over.
 */
async function outdated(
  history: History,
  page: readonly SubjectCursor[],
): Promise<{ readonly own: string[]; readonly released: string[] }> {
  for (const { identity, position } of page) {
    if (identity !== null && history.holds(identity, position) === null) await history.learn(identity);
  }
  const lost = page.filter(({ identity, position }) => !isHeld(history, identity, position));
  const [own, released] = [[] as string[], [] as string[]];
  for (const { subject, status } of lost) (status === "released" ? released : own).push(subject);
  return { own, released };
}

/** Resets subjects in one transaction. Each is saved as blocked, so that it is read again, also after a crash. */
async function resetAll<Tx>(
  deps: ConsumerDeps<Tx>,
  history: History,
  names: readonly string[],
): Promise<void> {
  const { store, key } = deps;
  await store.transact(async (tx) => {
    const cursors = await store.lock(tx, key, names);
    const reset: SubjectCursor[] = [];
    for (const { subject, identity, position } of cursors) {
      if (isHeld(history, identity, position)) continue;
      const cursor = await resetSubject(deps, tx, subject, history.current);
      reset.push({ ...cursor, known: 1, status: "blocked" });
    }
    if (reset.length > 0) await store.saveSubjects(tx, key, reset);
  });
}

/**
 * Resets subjects, in one transaction, that the new version has taken over, because effects of their last events
 * under this version remain. The new version handles all its events of them again. Its own cursors need not show the
 * loss, because it may publish nothing for those events.
 */
async function resetReleased<Tx>(
  deps: ConsumerDeps<Tx>,
  history: History,
  names: readonly string[],
): Promise<void> {
  const { store, key, log, counts, successor } = deps;
  if (successor === null) return;
  const again = await store.transact(async (tx) => {
    const lost = (await store.lock(tx, key, names)).filter(
      ({ identity, position }) => !isHeld(history, identity, position),
    );
    await store.lock(tx, successor.key, names);
    const released: SubjectCursor[] = [];
    const read: SubjectCursor[] = [];
    for (const { subject } of lost) {
      const cursor = await resetSubject(
        { reset: successor.reset, log, counts },
        tx,
        subject,
        history.current,
      );
      released.push({ ...cursor, known: 1, status: "released" });
      read.push({ ...newCursor(subject), known: 1, status: "blocked" });
    }
    if (released.length === 0) return [];
    await store.saveSubjects(tx, key, released);
    await store.saveSubjects(tx, successor.key, read);
    return read;
  });
  successor.learn(again);
}

/**
 * Adjusts the cursors to a restored feed: resets the subjects with handled events that the feed no longer has, and
 * moves the feed's cursor back to the last common position. Safe to repeat after a crash. Throws a LogRestoredError,
 * with nothing written, if there are such subjects and the consumer has no `reset`.
 *
 * @returns the consumer's position, and the subjects to read again.
 */
export async function rollBack<Tx>(
  deps: ConsumerDeps<Tx>,
  history: History,
  kept: FeedCursor,
): Promise<{ readonly feed: FeedPosition; readonly reset: readonly string[] }> {
  const { store, key } = deps;
  const { current } = history;
  if (current === null) return { feed: positionOf(kept), reset: [] };
  const reset: string[] = [];
  for (let after = ""; ;) {
    const page = await store.listSubjects(key, { notOf: current }, after, PAGE);
    const { own, released } = await outdated(history, page);
    if (own.length > 0) await resetAll(deps, history, own);
    if (released.length > 0) await resetReleased(deps, history, released);
    reset.push(...own);
    after = page.at(-1)?.subject ?? "";
    if (page.length < PAGE) break;
  }
  if (kept.identity === null) {
    await store.transact((tx) =>
      store.saveFeed(tx, key, { identity: current, position: kept.position, since: kept.since }),
    );
  } else {
    const { identity } = kept;
    if (history.holds(identity, 0) === null) await history.learn(identity);
    const parted = history.parted(identity);
    const cursor: FeedCursor = {
      position: Math.min(kept.position, parted),
      since: Math.min(kept.since, parted),
      reconstitution: withoutWalk(kept.reconstitution, parted),
      identity: current,
    };
    await store.transact((tx) => store.replaceFeed(tx, key, identity, cursor));
  }
  // Another process may have done this already, and continued.
  return { feed: positionOf((await store.readFeed(key)) ?? kept), reset };
}
