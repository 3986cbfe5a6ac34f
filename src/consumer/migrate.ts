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

/** What came of switching subjects from one version of a feed to another. */
export interface Migrated {
  /** Subjects that the new version has taken over, now or before. */
  readonly switched: number;
  /** Subjects that could not be, and why: the first 1,000. They stay with the old version. */
  readonly failed: readonly { readonly subject: string; readonly message: string }[];
}

/** Whether the old version can be let go: each list is empty. The first 1,000 of each. */
export interface Agreement {
  readonly agrees: boolean;
  readonly subjects: number;
  /** Subjects that only one of the versions has, or that are erased in only one of them. */
  readonly onlyOld: readonly string[];
  readonly onlyNew: readonly string[];
  readonly erasedInOne: readonly string[];
  /** Subjects that are still handled by the old version. */
  readonly unswitched: readonly string[];
  /** Subjects of which the new version has events that are not handled. */
  readonly lacking: readonly string[];
}

/** Moves a consumer from one version of a feed to another, subject by subject. */
export interface Migration {
  /** Switches all subjects that are still with the old version. May be repeated. */
  switchAll(options?: { readonly signal?: AbortSignal }): Promise<Migrated>;
  /** Switches one subject. Rejects if that cannot be done. */
  switchSubject(subject: string): Promise<void>;
  /** Compares both versions with each other, and with what was handled. */
  check(): Promise<Agreement>;
}

const MOST_LISTED = 1_000;
const AT_ONCE = 4;

/** How often others may handle an event of the subject in between. */
const ATTEMPTS = 20;

function byName(cursors: readonly SubjectCursor[]): Map<string, SubjectCursor> {
  return new Map(cursors.map((cursor) => [cursor.subject, cursor]));
}

/** The old version handles what it has not released, and nothing that began with the new one. */
export function admitOld<Tx>(store: ConsumerStore<Tx>, newKey: string): Admit<Tx> {
  return async (tx, names, cursors) => {
    const unknown = names.filter((name) => !cursors.has(name));
    const taken = unknown.length === 0 ? new Map() : byName(await store.lock(tx, newKey, unknown));
    return new Set(names.filter((name) => cursors.get(name)?.status !== "released" && !taken.has(name)));
  };
}

/** The new version handles what was switched to it, and what the old one has never heard of. */
export function admitNew<Tx>(store: ConsumerStore<Tx>, oldKey: string): Admit<Tx> {
  return async (tx, names, cursors) => {
    const unknown = names.filter((name) => !cursors.has(name));
    const others = unknown.length === 0 ? new Map() : byName(await store.lock(tx, oldKey, unknown));
    return new Set(
      names.filter((name) => cursors.has(name) || (others.get(name)?.status ?? "released") === "released"),
    );
  };
}

/** The subjects that are not the other version's, as far as is kept. */
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
 * Position in the event log of the first event of a subject after the old version's position; null: there is none. The old
 * version refuses such an event once the new version has the subject, so the new version must handle it, also where the
 * event is before the new version's own start.
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
    // A retired version publishes nothing any more.
    if (!isUnknownSubject(error) && !isRetirement(error)) throw error;
  }
  return null;
}

/** The last event of a subject that says nothing which was not said up to a position of the event log. */
async function lastSaid<Tx>(
  { client, log }: ConsumerDeps<Tx>,
  subject: string,
  upTo: number,
): Promise<SubjectCursor> {
  let cursor = newCursor(subject);
  let said: ConsumerEvent | null = null;
  let unsaid = false;
  const source = log === null ? { stream: subject } : { feed: log, subject };
  try {
    for await (const page of client.readPages(source)) {
      for (const event of page.map(consumerEvent)) {
        if ((event.projectedFrom ?? event.position) > upTo) unsaid = true;
        else if (unsaid) throw new Error(`Its events are in another order in ${log ?? "the event log"}`);
        else said = event;
      }
    }
  } catch (error) {
    // The new version publishes nothing of it so far.
    if (!isUnknownSubject(error)) throw error;
  }
  if (said !== null) {
    const { version, position, logIdentity: identity = null } = said;
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

  /** Releases a subject of which the old version has handled nothing; false when it just has. */
  const releaseUnhandled = (subject: string): Promise<boolean> =>
    store.transact(async (tx) => {
      const [handled] = await store.lock(tx, oldKey, [subject]);
      if (handled !== undefined && handled.known > 0) return false;
      // Known, so that stores do not take it for a row that is only there to be locked.
      await store.saveSubjects(tx, oldKey, [{ ...newCursor(subject), known: 1, status: "released" }]);
      return true;
    });

  /**
   * True when the subject is the new version's; false when something came in between. `unhandled`: the old version has
   * handled nothing of it, since the consumer began later, and so there is nothing to continue.
   */
  const trySwitch = async (subject: string): Promise<boolean | "unhandled"> => {
    const old = await before.engine.pull(subject);
    if (old === null) return (await releaseUnhandled(subject)) && "unhandled";
    if (old.status === "released") return true;
    if (old.status === "blocked") throw new Error(`It is blocked at version ${old.version} of the old feed`);
    // Versions of a feed publish all that is made of one event at once: where there is no more, none is half told.
    const { client, log } = before.deps;
    const source = log === null ? { stream: subject } : { feed: log, subject };
    for await (const page of client.readPages({ ...source, afterVersion: old.version, limit: 1 })) {
      if (page.length > 0) return false;
    }
    const start = await lastSaid(after.deps, subject, old.source);
    return store.transact(async (tx) => {
      const [mine] = await store.lock(tx, oldKey, [subject]);
      if (mine === undefined || mine.version !== old.version) return false;
      const [taken] = await store.lock(tx, newKey, [subject]);
      await store.saveSubjects(tx, oldKey, [{ ...mine, status: "released" }]);
      if (taken === undefined && start.version > 0) await store.saveSubjects(tx, newKey, [start]);
      return true;
    });
  };

  /** Both know where they began, before the new version takes over what comes from now on. */
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
      // It is switched, and blocked, and shown as such.
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
          // What was there before the consumer began is not its to handle.
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
