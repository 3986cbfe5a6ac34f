import { eventIdOf } from "../core/cursor.ts";
import { errorText } from "../core/error-text.ts";
import { type Agreement, checkAgreement } from "./agreement.ts";
import type { ConsumerDeps } from "./deps.ts";
import { HandlerError } from "./failure.ts";
import { eachOf } from "./limited.ts";
import { isRetirement } from "./retired.ts";
import type { Side } from "./side.ts";
import type { SubjectCursor } from "./store.ts";
import { newCursor } from "./subject-cursor.ts";
import { consumerEvent, type ConsumerEvent } from "./types.ts";
import { isUnknownSubject } from "./unknown-subject.ts";

/** Result of switching subjects from one version of a feed to another. */
export interface Migrated {
  /** Number of subjects with the new version, after this or an earlier call. */
  readonly switched: number;
  /** The first 1,000 subjects that failed to switch, with the reasons. They stay with the old version. */
  readonly failed: readonly { readonly subject: string; readonly message: string }[];
}

/** Moves a consumer from one version of a feed to another, subject by subject. */
export interface Migration {
  /** Switches all subjects that are still with the old version. May be repeated. */
  switchAll(options?: { readonly signal?: AbortSignal }): Promise<Migrated>;
  /** Switches one subject. Rejects if that cannot be done. */
  switchSubject(subject: string): Promise<void>;
  /** Compares both versions with each other and with the handled events. */
  check(): Promise<Agreement>;
}

/** Most listed failures. */
const MOST_FAILURES = 1_000;
const AT_ONCE = 4;

/** Most attempts of a switch, while others handle events of the subject in between. */
const ATTEMPTS = 20;

/**
 * Position in the event log of the first event of a subject after the old version's position; null: there is none.
 * The old version rejects such an event once the new version has the subject, so the new version must handle it, even
 * if the event is before the new version's own start.
 */
export async function firstUnreached<Tx>(
  { deps: { client, store, key, log }, engine }: Side<Tx>,
  subject: string,
): Promise<number | null> {
  if ((await store.readFeed(key)) === null) await engine.prepare();
  const kept = await store.readFeed(key);
  const { position = 0, identity = null } = kept ?? {};
  const source = log === null ? { stream: subject } : { feed: log, subject };
  const after = position === 0 ? { afterVersion: 0 } : { lastEventId: eventIdOf({ position, identity }) };
  try {
    for await (const page of client.readPages({ ...source, ...after, limit: 1 })) {
      const [first] = page.map(consumerEvent);
      if (first !== undefined) return first.projectedFrom ?? first.position;
    }
  } catch (error) {
    // A retired version publishes nothing.
    if (!isUnknownSubject(error) && !isRetirement(error)) throw error;
  }
  return null;
}

/** Cursor of the last event projected from a source position ≤ `upTo`. */
async function cursorUpToSource<Tx>(
  { client, log }: ConsumerDeps<Tx>,
  subject: string,
  upTo: number,
): Promise<SubjectCursor> {
  let cursor = newCursor(subject);
  let last: ConsumerEvent | null = null;
  let isBeyond = false;
  const source = log === null ? { stream: subject } : { feed: log, subject };
  try {
    for await (const page of client.readPages(source)) {
      for (const event of page.map(consumerEvent)) {
        if ((event.projectedFrom ?? event.position) > upTo) isBeyond = true;
        else if (isBeyond) throw new Error(`Its events are in another order in ${log ?? "the event log"}`);
        else last = event;
      }
    }
  } catch (error) {
    // The new version has published nothing about the subject yet.
    if (!isUnknownSubject(error)) throw error;
  }
  if (last !== null) {
    const { version, position, logIdentity: identity = null } = last;
    cursor = { ...cursor, version, known: version, position, identity, source: upTo };
  }
  return cursor;
}

/** Releases a subject with no event handled by the old version; false if one was handled meanwhile. */
function releaseUnhandled<Tx>({ store, key }: ConsumerDeps<Tx>, subject: string): Promise<boolean> {
  return store.transact(async (tx) => {
    const [handled] = await store.lock(tx, key, [subject]);
    if (handled !== undefined && handled.known > 0) return false;
    // `known` is set, so that stores do not take the row for one that exists only to be locked.
    await store.saveSubjects(tx, key, [{ ...newCursor(subject), known: 1, status: "released" }]);
    return true;
  });
}

/**
 * True when the subject is with the new version; false when an event was handled in between. `unhandled`: the old
 * version has handled none of its events, since the consumer started later, and so there is nothing to continue.
 */
async function trySwitch<Tx>(
  before: Side<Tx>,
  after: Side<Tx>,
  subject: string,
): Promise<boolean | "unhandled"> {
  const old = await before.engine.pull(subject);
  if (old === null) return (await releaseUnhandled(before.deps, subject)) && "unhandled";
  if (old.status === "released") return true;
  if (old.status === "blocked") throw new Error(`It is blocked at version ${old.version} of the old feed`);
  // A version of a feed publishes all events that are projected from one event at once: at the end of the feed, no
  // source event is half published.
  const { client, store, log, key } = before.deps;
  const source = log === null ? { stream: subject } : { feed: log, subject };
  for await (const page of client.readPages({ ...source, afterVersion: old.version, limit: 1 })) {
    if (page.length > 0) return false;
  }
  const start = await cursorUpToSource(after.deps, subject, old.source);
  return store.transact(async (tx) => {
    const [mine] = await store.lock(tx, key, [subject]);
    if (mine === undefined || mine.version !== old.version) return false;
    const [taken] = await store.lock(tx, after.deps.key, [subject]);
    await store.saveSubjects(tx, key, [{ ...mine, status: "released" }]);
    if (taken === undefined && start.version > 0) await store.saveSubjects(tx, after.deps.key, [start]);
    return true;
  });
}

export function createMigration<Tx>(before: Side<Tx>, after: Side<Tx>): Migration {
  /** Both must know their start before the new version takes over new events. */
  const prepare = () => Promise.all([before.engine.prepare(), after.engine.prepare()]);

  const switchSubject = async (subject: string): Promise<void> => {
    await prepare();
    for (let attempt = 1; ; attempt += 1) {
      const switched = await trySwitch(before, after, subject);
      if (switched === "unhandled") return;
      if (switched) break;
      if (attempt === ATTEMPTS) throw new Error(`It changed ${ATTEMPTS} times while it was switched`);
    }
    try {
      await after.engine.ensure(subject, { asOf: "now" });
    } catch (error) {
      // The subject is switched but blocked, and its status shows that.
      if (!(error instanceof HandlerError)) throw error;
    }
  };

  return {
    switchSubject,
    async switchAll({ signal } = {}) {
      await prepare();
      let switched = 0;
      const failed: { subject: string; message: string }[] = [];
      const { client, log } = before.deps;
      for await (const page of client.subjectPages(log === null ? {} : { feed: log })) {
        await eachOf(page, AT_ONCE, async ({ subject }) => {
          signal?.throwIfAborted();
          try {
            await switchSubject(subject);
            switched += 1;
          } catch (error) {
            const message = errorText(error);
            if (failed.length < MOST_FAILURES) failed.push({ subject, message });
          }
        });
      }
      return { switched, failed };
    },
    check: () => checkAgreement(before, after),
  };
}
