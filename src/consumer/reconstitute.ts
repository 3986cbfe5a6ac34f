import { KildeError, type SubjectInfo, type SubjectsOptions } from "../client/index.ts";
import { type DeliverDeps, noteFailure } from "./deliver.ts";
import { HandlerError } from "./failure.ts";
import { eachOf } from "./limited.ts";
import { createPace, type Pace } from "./pace.ts";
import type { SubjectCursor } from "./store.ts";

export interface ReconstituteOptions {
  /** Walk all subjects, and not only those that changed since the last reconstitution. Default false. */
  readonly all?: boolean;
  /** Requests a second. Default 100. */
  readonly requestsPerSecond?: number;
  /** Subjects of one request. Default 1,000. */
  readonly pageSize?: number;
  readonly onProgress?: (progress: Reconstitution) => void;
  /** Stops it; the next one goes on from there. */
  readonly signal?: AbortSignal;
}

/** What a reconstitution found; while it is under way, so far. */
export interface Reconstitution {
  /** Position in the feed after which subjects were looked at, if they changed; null: all subjects were. */
  readonly changedSince: number | null;
  /** Everything up to this position of the feed is there when it is done, but for `failed` and `blocked`. */
  readonly head: number;
  /** Subjects looked at. */
  readonly checked: number;
  /** Subjects that lacked events, and no longer do: the first 1,000. */
  readonly healed: readonly Healed[];
  readonly healedSubjects: number;
  readonly healedEvents: number;
  /** Subjects that lacked events which are still to come anyway. */
  readonly pending: number;
  /** Subjects that are blocked, and being tried again. */
  readonly blocked: number;
  /** Subjects whose handler failed. */
  readonly failed: readonly string[];
  /** Subjects of which the feed has less than was handled: it was restored from an older backup, or built anew. */
  readonly ahead: readonly string[];
  /** Requests sent. */
  readonly requests: number;
}

export interface Healed {
  readonly subject: string;
  /** Versions before and after. */
  readonly from: number;
  readonly to: number;
}

/** What the store keeps, as JSON. */
interface Kept {
  /** Everything up to it was there when a reconstitution ended; null: none did. */
  readonly verified: number | null;
  /** One that is not at its end. */
  readonly walk: Walk | null;
}

interface Walk {
  readonly found: Reconstitution;
  /** Where it goes on: after a name, or a position. */
  readonly after: string | number;
  /** Everything up to this position will be there at its end. */
  readonly reach: number;
}

const MOST_LISTED = 1_000;
const PULLS = 4;
const REQUESTS_PER_SECOND = 100;
const PAGE_SIZE = 1_000;

export interface ReconstituteDeps<Tx> extends DeliverDeps<Tx> {
  /** Position after which the consumer began. */
  readonly since: () => number;
  /** Events after this position are to come by themselves; null when none are. */
  readonly awaitedAfter: () => number | null;
}

type Draft = { -readonly [Member in keyof Reconstitution]: Reconstitution[Member] };

async function readKept<Tx>({ store, key }: ReconstituteDeps<Tx>): Promise<Kept> {
  const text = (await store.readFeed(key))?.reconstitution ?? null;
  return text === null ? { verified: null, walk: null } : (JSON.parse(text) as Kept);
}

async function newWalk<Tx>(
  { client, log, since }: ReconstituteDeps<Tx>,
  { verified }: Kept,
  all: boolean,
  pace: Pace,
): Promise<Walk> {
  await pace.turn();
  const head = await client.head(log ?? undefined);
  const changedSince = all ? null : (verified ?? (since() > 0 ? since() : null));
  const nothing = { checked: 0, healed: [], healedSubjects: 0, healedEvents: 0, pending: 0, blocked: 0 };
  const found = { changedSince, head, ...nothing, failed: [], ahead: [], requests: 0 };
  return { found, after: changedSince ?? "", reach: head };
}

interface Looked {
  /** Subjects that lack events, and their versions. */
  readonly lacks: ReadonlyMap<string, number>;
  /** Nothing before this position is left to come by itself. */
  readonly pendingFrom: number;
}

function look<Tx>(
  deps: ReconstituteDeps<Tx>,
  page: readonly SubjectInfo[],
  cursors: ReadonlyMap<string, SubjectCursor>,
  found: Draft,
): Looked {
  const lacks = new Map<string, number>();
  let pendingFrom = Number.POSITIVE_INFINITY;
  const awaitedAfter = deps.awaitedAfter();
  for (const { subject, version, position } of page) {
    found.checked += 1;
    const cursor = cursors.get(subject);
    const mine = cursor?.version ?? 0;
    if (cursor?.status === "released") continue;
    if (version < mine) {
      // What was handled after the page was made is no contradiction to it.
      if ((cursor?.position ?? 0) > found.head) continue;
      if (found.ahead.length < MOST_LISTED) found.ahead = [...found.ahead, subject];
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
  return { lacks, pendingFrom };
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

/** Requests: those of this process, and those before it. */
interface Spent {
  readonly pace: Pace;
  readonly requestsBefore: number;
}

/** Pages of subjects, from a state that has all that a walk is to reach: a replica may be behind. */
async function* pagesUpTo<Tx>(
  { client }: ReconstituteDeps<Tx>,
  query: SubjectsOptions,
  position: number,
): AsyncGenerator<SubjectInfo[], void, undefined> {
  try {
    yield* client.subjectPages({ ...query, position });
  } catch (error) {
    // The server was restored from a backup since the walk began: what there is now is looked at.
    if (!(error instanceof KildeError) || error.code !== "cursor-beyond-head") throw error;
    yield* client.subjectPages(query);
  }
}

/** Walks to the end, and gives what is to be kept then. */
async function walkOn<Tx>(
  deps: ReconstituteDeps<Tx>,
  kept: Kept,
  walk: Walk,
  { pageSize = PAGE_SIZE, onProgress }: ReconstituteOptions,
  { pace, requestsBefore }: Spent,
  signal: AbortSignal,
): Promise<Reconstitution> {
  const { store, key, log } = deps;
  const found: Draft = { ...walk.found };
  const keep = (state: Kept) =>
    store.transact((tx) => store.saveFeed(tx, key, { reconstitution: JSON.stringify(state) }));

  const start = walk.after;
  const at = typeof start === "string" ? { after: start } : { changedSince: start };
  const source = log === null ? {} : { feed: log };
  const pages = pagesUpTo(deps, { ...source, ...at, pageSize, signal }, found.head);
  const isOver = (after: string | number) => typeof after === "number" && after >= found.head;
  let { reach } = walk;
  for (let done = isOver(start); !done;) {
    await pace.turn();
    const { value: page } = await pages.next();
    const last = page?.at(-1);
    if (page === undefined || last === undefined) break;
    const names = page.map(({ subject }) => subject);
    const cursors = new Map((await store.readSubjects(key, names)).map((each) => [each.subject, each]));
    const concerned = await deps.concerns(names);
    const mine = page.filter(({ subject }) => concerned.has(subject));
    const { lacks, pendingFrom } = look(deps, mine, cursors, found);
    await heal(deps, lacks, found, pace);
    found.requests = requestsBefore + pace.count;
    reach = Math.min(reach, pendingFrom - 1);
    const after = typeof start === "string" ? last.subject : last.position;
    done = page.length < pageSize || isOver(after);
    await keep({ verified: kept.verified, walk: { found, after, reach } });
    onProgress?.({ ...found });
  }
  found.requests = requestsBefore + pace.count;
  await keep({ verified: Math.max(kept.verified ?? 0, reach), walk: null });
  return found;
}

/**
 * Compares what the feed has of each subject with what was handled, and pulls what is lacking. It finds the lost last
 * event of a subject, which no later one would reveal. One that was stopped is gone on with first, and then what has
 * changed since it began is looked at. Rejects if the server or the store cannot be used; what was done is kept.
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
  // One of what changed is no part of one of all.
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
