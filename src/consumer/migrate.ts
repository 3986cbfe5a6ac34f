import type { SubjectInfo } from "../client/index.ts";
import { eventIdOf } from "../core/cursor.ts";
import { errorText } from "../core/error-text.ts";
import type { Admit, ConsumerDeps } from "./deps.ts";
import type { Engine } from "./engine-types.ts";
import { HandlerError } from "./failure.ts";
import { eachOf } from "./limited.ts";
import { compareNames } from "./name-order.ts";
import { isRetirement } from "./retired.ts";
import type { ConsumerStore, SubjectCursor } from "./store.ts";
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

/**
 * Differences between the versions; the old version can be dropped when each list is empty. The first 1,000 of each.
 */
export interface Agreement {
  readonly agrees: boolean;
  readonly subjects: number;
  /** Subjects that only one of the versions has, or that only one of them has erased. */
  readonly onlyOld: readonly string[];
  readonly onlyNew: readonly string[];
  readonly erasedInOne: readonly string[];
  /** Subjects that the old version still handles. */
  readonly unswitched: readonly string[];
  /** Subjects with unhandled events of the new version. */
  readonly lacking: readonly string[];
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

const MOST_LISTED = 1_000;
const AT_ONCE = 4;

/** Most attempts of a switch, while others handle events of the subject in between. */
const ATTEMPTS = 20;

function byName(cursors: readonly SubjectCursor[]): Map<string, SubjectCursor> {
  return new Map(cursors.map((cursor) => [cursor.subject, cursor]));
}

/** The old version handles the subjects that it has not released and that did not start with the new version. */
export function admitOld<Tx>(store: ConsumerStore<Tx>, newKey: string): Admit<Tx> {
  return async (tx, names, cursors) => {
    const unknown = names.filter((name) => !cursors.has(name));
    const taken = unknown.length === 0 ? new Map() : byName(await store.lock(tx, newKey, unknown));
    return new Set(names.filter((name) => cursors.get(name)?.status !== "released" && !taken.has(name)));
  };
}

/** The new version handles the subjects that were switched to it, and those without a cursor of the old version. */
export function admitNew<Tx>(store: ConsumerStore<Tx>, oldKey: string): Admit<Tx> {
  return async (tx, names, cursors) => {
    const unknown = names.filter((name) => !cursors.has(name));
    const others = unknown.length === 0 ? new Map() : byName(await store.lock(tx, oldKey, unknown));
    return new Set(
      names.filter((name) => cursors.has(name) || (others.get(name)?.status ?? "released") === "released"),
    );
  };
}

/** Selects the subjects that the other version does not have, according to the store. */
export function notOf<Tx>(store: ConsumerStore<Tx>, otherKey: string): ConsumerDeps<Tx>["concerns"] {
  return async (names) => {
    const others = byName(await store.readSubjects(otherKey, names));
    return new Set(names.filter((name) => (others.get(name)?.status ?? "released") === "released"));
  };
}

interface Side<Tx> {
  readonly deps: ConsumerDeps<Tx>;
  readonly engine: Engine;
}

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

/** Subjects of a log in order of name. */
async function* subjectsOf<Tx>({
  client,
  log,
}: ConsumerDeps<Tx>): AsyncGenerator<SubjectInfo, void, undefined> {
  for await (const page of client.subjectPages(log === null ? {} : { feed: log })) yield* page;
}

export function createMigration<Tx>(before: Side<Tx>, after: Side<Tx>): Migration {
  const { store } = after.deps;
  const [oldKey, newKey] = [before.deps.key, after.deps.key];

  /** Releases a subject with no event handled by the old version; false if one was handled meanwhile. */
  const releaseUnhandled = (subject: string): Promise<boolean> =>
    store.transact(async (tx) => {
      const [handled] = await store.lock(tx, oldKey, [subject]);
      if (handled !== undefined && handled.known > 0) return false;
      // `known` is set, so that stores do not take the row for one that exists only to be locked.
      await store.saveSubjects(tx, oldKey, [{ ...newCursor(subject), known: 1, status: "released" }]);
      return true;
    });

  /**
   * True when the subject is with the new version; false when an event was handled in between. `unhandled`: the old
   * version has handled none of its events, since the consumer started later, and so there is nothing to continue.
   */
  const trySwitch = async (subject: string): Promise<boolean | "unhandled"> => {
    const old = await before.engine.pull(subject);
    if (old === null) return (await releaseUnhandled(subject)) && "unhandled";
    if (old.status === "released") return true;
    if (old.status === "blocked") throw new Error(`It is blocked at version ${old.version} of the old feed`);
    // A version of a feed publishes all events that are projected from one event at once: at the end of the feed, no
    // source event is half published.
    const { client, log } = before.deps;
    const source = log === null ? { stream: subject } : { feed: log, subject };
    for await (const page of client.readPages({ ...source, afterVersion: old.version, limit: 1 })) {
      if (page.length > 0) return false;
    }
    const start = await cursorUpToSource(after.deps, subject, old.source);
    return store.transact(async (tx) => {
      const [mine] = await store.lock(tx, oldKey, [subject]);
      if (mine === undefined || mine.version !== old.version) return false;
      const [taken] = await store.lock(tx, newKey, [subject]);
      await store.saveSubjects(tx, oldKey, [{ ...mine, status: "released" }]);
      if (taken === undefined && start.version > 0) await store.saveSubjects(tx, newKey, [start]);
      return true;
    });
  };

  /** Both must know their start before the new version takes over new events. */
  const prepare = () => Promise.all([before.engine.prepare(), after.engine.prepare()]);

  const switchSubject = async (subject: string): Promise<void> => {
    await prepare();
    for (let attempt = 1; ; attempt += 1) {
      const switched = await trySwitch(subject);
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
            if (failed.length < MOST_LISTED) failed.push({ subject, message });
          }
        });
      }
      return { switched, failed };
    },
    async check() {
      const lists = { onlyOld: [], onlyNew: [], erasedInOne: [], unswitched: [], lacking: [] } as Record<
        Exclude<keyof Agreement, "agrees" | "subjects">,
        string[]
      >;
      const note = (list: keyof typeof lists, name: string) => {
        if (lists[list].length < MOST_LISTED) lists[list].push(name);
      };
      let subjects = 0;
      const [olds, news] = [subjectsOf(before.deps), subjectsOf(after.deps)];
      let [left, right] = [await olds.next(), await news.next()];
      while (left.done !== true || right.done !== true) {
        const [one, other] = [left.value ?? null, right.value ?? null];
        const order = one === null ? 1 : other === null ? -1 : compareNames(one.subject, other.subject);
        subjects += 1;
        if (one !== null && order < 0) note("onlyOld", one.subject);
        if (other !== null && order > 0) note("onlyNew", other.subject);
        if (one !== null && other !== null && order === 0) {
          if (one.erased !== other.erased) note("erasedInOne", one.subject);
          const [mine] = await store.readSubjects(newKey, [one.subject]);
          const [old] = await store.readSubjects(oldKey, [one.subject]);
          // Events from before the consumer's start do not count.
          const isBefore = mine === undefined && other.position <= after.engine.since();
          if (old !== undefined && old.status !== "released") note("unswitched", one.subject);
          else if (!isBefore && (mine?.version ?? 0) < other.version) note("lacking", one.subject);
        }
        if (order <= 0) left = await olds.next();
        if (order >= 0) right = await news.next();
      }
      return { agrees: Object.values(lists).every((list) => list.length === 0), subjects, ...lists };
    },
  };
}
