import { KildeError, type SubjectInfo, type SubjectsOptions } from "../client/index.ts";
import { type DeliverDeps, noteFailure } from "./deliver.ts";
import { HandlerError } from "./failure.ts";
import { eachOf } from "./limited.ts";
import { createPace, type Pace } from "./pace.ts";
import { readState, type Reconstitution, type ReconstitutionState, type Walk } from "./reconstitution.ts";
import { LogRestoredError, resetSubject } from "./restore.ts";
import type { SubjectCursor } from "./store.ts";

export interface ReconstituteOptions {
  /** Checks all subjects, not only those that changed since the last reconstitution. Default: false. */
  readonly all?: boolean;
  /** Most requests per second. Default: 100. */
  readonly requestsPerSecond?: number;
  /** Subjects per request. Default: 1,000. */
  readonly pageSize?: number;
  readonly onProgress?: (progress: Reconstitution) => void;
  /** Stops the reconstitution; the next one continues from there. */
  readonly signal?: AbortSignal;
}

const MOST_LISTED = 1_000;
const PULLS = 4;
const REQUESTS_PER_SECOND = 100;
const PAGE_SIZE = 1_000;

export interface ReconstituteDeps<Tx> extends DeliverDeps<Tx> {
  /** Position after which the consumer started. */
  readonly since: () => number;
  /** Events after this position are expected to arrive anyway; null when none are. */
  readonly awaitedAfter: () => number | null;
  /** Identity of the feed; null: the server sends none. */
  readonly identity: string | null;
  /** Position of the last event of the feed. */
  readonly readHead: () => Promise<number>;
  /**
   * Position up to which everything was handled before the head was read; it shows that a feed which ends before it
   * was restored.
   */
  readonly handledTo: number;
}

type Draft = { -readonly [Member in keyof Reconstitution]: Reconstitution[Member] };

async function readKept<Tx>({ store, key }: ReconstituteDeps<Tx>): Promise<ReconstitutionState> {
  return readState((await store.readFeed(key))?.reconstitution ?? null);
}

async function newWalk<Tx>(
  { readHead, since }: ReconstituteDeps<Tx>,
  { verified }: ReconstitutionState,
  all: boolean,
  pace: Pace,
): Promise<Walk> {
  await pace.turn();
  const head = await readHead();
  const changedSince = all ? null : (verified ?? (since() > 0 ? since() : null));
  const nothing = { checked: 0, healed: [], healedSubjects: 0, healedEvents: 0, pending: 0, blocked: 0 };
  const found = { changedSince, head, ...nothing, failed: [], ahead: [], requests: 0 };
  return { found, after: changedSince ?? "", reach: head };
}

interface Looked {
  /** Subjects that lack events, with their versions in the feed. */
  readonly lacks: ReadonlyMap<string, number>;
  /** Subjects with handled events that the feed does not have. */
  readonly ahead: readonly SubjectCursor[];
  /** No event before this position is still expected to arrive. */
  readonly pendingFrom: number;
}

function look<Tx>(
  deps: ReconstituteDeps<Tx>,
  page: readonly SubjectInfo[],
  cursors: ReadonlyMap<string, SubjectCursor>,
  found: Draft,
): Looked {
  const lacks = new Map<string, number>();
  const ahead: SubjectCursor[] = [];
  let pendingFrom = Number.POSITIVE_INFINITY;
  const awaitedAfter = deps.awaitedAfter();
  for (const { subject, version, position } of page) {
    found.checked += 1;
    const cursor = cursors.get(subject);
    const mine = cursor?.version ?? 0;
    if (cursor?.status === "released") continue;
    if (cursor !== undefined && hasOther(cursor, version, position)) {
      // An event handled after the page was read does not contradict it.
      if (cursor.position <= Math.max(found.head, deps.handledTo)) ahead.push(cursor);
    } else if (version === mine || (cursor === undefined && position <= deps.since())) {
      continue;
    } else if (cursor?.status === "blocked") {
      found.blocked += 1;
    } else if (awaitedAfter !== null && position > awaitedAfter) {
      found.pending += 1;
      pendingFrom = Math.min(pendingFrom, awaitedAfter + 1);
    } else {
      lacks.set(subject, mine);
    }
  }
  return { lacks, ahead, pendingFrom };
}

/** Whether the feed lacks the last handled event: it has fewer versions, or another event in that place. */
function hasOther(cursor: SubjectCursor, version: number, position: number): boolean {
  return version < cursor.version || (version === cursor.version && position !== cursor.position);
}

/** Handled subjects up to a name that the feed does not list: it was restored. */
async function onlyHere<Tx>(
  { store, key }: ReconstituteDeps<Tx>,
  page: readonly SubjectInfo[],
  range: { readonly after: string; readonly upTo: string | null },
): Promise<SubjectCursor[]> {
  const listed = new Set(page.map(({ subject }) => subject));
  const found: SubjectCursor[] = [];
  for (let { after } = range; ;) {
    const cursors = await store.listSubjects(key, { upTo: range.upTo }, after, PAGE_SIZE);
    found.push(...cursors.filter(({ subject, version }) => version > 0 && !listed.has(subject)));
    after = cursors.at(-1)?.subject ?? "";
    if (cursors.length < PAGE_SIZE) return found;
  }
}

/** Resets subjects with handled events that the feed does not have, and reads them again. */
async function rollBackSubjects<Tx>(
  deps: ReconstituteDeps<Tx>,
  ahead: readonly SubjectCursor[],
  found: Draft,
  pace: Pace,
): Promise<void> {
  const { store, key, identity, log } = deps;
  const names = ahead.map(({ subject }) => subject);
  if (names.length === 0) return;
  found.ahead = [...found.ahead, ...names].slice(0, MOST_LISTED);
  const [first = ""] = names;
  if (deps.reset === null) throw new LogRestoredError(log ?? "The event log", first);
  const reset: string[] = [];
  await store.transact(async (tx) => {
    const cursors = await store.lock(tx, key, names);
    const seen = new Map(ahead.map((cursor) => [cursor.subject, cursor]));
    const changed: SubjectCursor[] = [];
    for (const { subject, version, position } of cursors) {
      const before = seen.get(subject);
      // An event was handled since the check.
      if (before?.version !== version || before.position !== position) continue;
      const cursor = await resetSubject(deps, tx, subject, identity);
      changed.push({ ...cursor, known: 1, status: "blocked" });
    }
    if (changed.length > 0) await store.saveSubjects(tx, key, changed);
    reset.push(...changed.map(({ subject }) => subject));
  });
  await heal(deps, new Map(reset.map((subject) => [subject, 0])), found, pace);
}

async function heal<Tx>(
  deps: ReconstituteDeps<Tx>,
  lacks: ReadonlyMap<string, number>,
  found: Draft,
  pace: Pace,
): Promise<void> {
  await eachOf(lacks, PULLS, async ([subject, from]) => {
    await pace.turn();
    try {
      const to = (await deps.pulls.toNow(subject))?.version ?? from;
      if (to <= from) return;
      found.healedSubjects += 1;
      found.healedEvents += to - from;
      if (found.healed.length < MOST_LISTED) found.healed = [...found.healed, { subject, from, to }];
    } catch (error) {
      await noteFailure(deps, subject, error);
      if (!(error instanceof HandlerError)) throw error;
      if (found.failed.length < MOST_LISTED) found.failed = [...found.failed, subject];
    }
  });
}

/** Number of requests, of this process and of those before it. */
interface Spent {
  readonly pace: Pace;
  readonly requestsBefore: number;
}

/** Reads pages of subjects from a state that includes the end of the walk: a replica may be behind. */
async function* pagesUpTo<Tx>(
  { client }: ReconstituteDeps<Tx>,
  query: SubjectsOptions,
  position: number,
): AsyncGenerator<SubjectInfo[], void, undefined> {
  try {
    yield* client.subjectPages({ ...query, position });
  } catch (error) {
    // The server was restored since the walk began: the walk continues on the restored state.
    if (!(error instanceof KildeError) || error.code !== "cursor-beyond-head") throw error;
    yield* client.subjectPages(query);
  }
}

/** Walks to the end, and returns the state to save. */
async function walkOn<Tx>(
  deps: ReconstituteDeps<Tx>,
  kept: ReconstitutionState,
  walk: Walk,
  { pageSize, onProgress }: ReconstituteOptions,
  { pace, requestsBefore }: Spent,
  signal: AbortSignal,
): Promise<Reconstitution> {
  const { store, key, log, identity } = deps;
  const found: Draft = { ...walk.found };
  const keep = (state: ReconstitutionState) =>
    store.transact((tx) => store.saveFeed(tx, key, { identity, reconstitution: JSON.stringify(state) }));

  const start = walk.after;
  const at = typeof start === "string" ? { after: start } : { changedSince: start };
  const source = log === null ? {} : { feed: log };
  const seenTo = Math.max(found.head, deps.handledTo);
  const pages = pagesUpTo(
    deps,
    { ...source, ...at, ...(pageSize === undefined ? {} : { pageSize }), signal },
    seenTo,
  );
  const isOver = (after: string | number) => typeof after === "number" && after >= found.head;
  let { reach, after } = walk;
  let isFirst = true;
  let wasFull = false;
  let lengthBefore = 0;
  for (let done = isOver(start); !done;) {
    // After a page that was not full, few requests follow.
    if (isFirst || wasFull) await pace.turn();
    isFirst = false;
    const { value } = await pages.next();
    const page = value ?? [];
    const last = page.at(-1);
    if (typeof after === "string") {
      const upTo = last?.subject ?? null;
      const gone = await onlyHere(deps, page, { after, upTo });
      const concerned = await deps.concerns(gone.map(({ subject }) => subject));
      const lost = gone.filter(
        ({ subject, position, status }) =>
          concerned.has(subject) && status !== "released" && position <= seenTo,
      );
      await rollBackSubjects(deps, lost, found, pace);
    }
    if (last === undefined) break;
    // A server may return fewer than requested.
    wasFull = page.length === (pageSize ?? PAGE_SIZE) || page.length === lengthBefore;
    lengthBefore = page.length;
    const names = page.map(({ subject }) => subject);
    const cursors = new Map((await store.readSubjects(key, names)).map((each) => [each.subject, each]));
    const concerned = await deps.concerns(names);
    const mine = page.filter(({ subject }) => concerned.has(subject));
    const { lacks, ahead, pendingFrom } = look(deps, mine, cursors, found);
    await rollBackSubjects(deps, ahead, found, pace);
    await heal(deps, lacks, found, pace);
    found.requests = requestsBefore + pace.count;
    reach = Math.min(reach, pendingFrom - 1);
    after = typeof start === "string" ? last.subject : last.position;
    done = isOver(after);
    await keep({ verified: kept.verified, walk: { found, after, reach } });
    onProgress?.({ ...found });
  }
  found.requests = requestsBefore + pace.count;
  await keep({ verified: Math.max(kept.verified ?? 0, reach), walk: null });
  return found;
}

/**
 * Compares the subjects of the feed with the handled events, and pulls the missing ones. It finds the lost last event
 * of a subject, which no later event would reveal. Continues a stopped walk first, and then checks the changes since
 * that walk began. Rejects if the server or the store is unavailable; completed work is saved.
 */
export async function reconstitute<Tx>(
  deps: ReconstituteDeps<Tx>,
  options: ReconstituteOptions,
  signal: AbortSignal,
): Promise<Reconstitution> {
  const pace = createPace(deps.clock, options.requestsPerSecond ?? REQUESTS_PER_SECOND, signal);
  const kept = await readKept(deps);
  const all = options.all === true;
  const stopped = kept.walk;
  const spent = { pace, requestsBefore: stopped?.found.requests ?? 0 };
  // A walk over changes is not part of a walk over all subjects.
  if (stopped === null || (all && stopped.found.changedSince !== null)) {
    const walk = await newWalk(deps, kept, all, pace);
    return walkOn(deps, kept, walk, options, { pace, requestsBefore: 0 }, signal);
  }
  const first = await walkOn(deps, kept, stopped, options, spent, signal);
  const ended = await readKept(deps);
  const { found: fresh, ...rest } = await newWalk(deps, ended, false, pace);
  const found = { ...first, head: fresh.head };
  const second = await walkOn(deps, ended, { ...rest, found }, options, spent, signal);
  return { ...second, changedSince: first.changedSince };
}
