import type { SubjectInfo } from "../client/index.ts";
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
  /** One that is not at its end, and where it goes on: after a name, or a position. */
  readonly walk: { readonly found: Reconstitution; readonly after: string | number } | null;
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

async function begin<Tx>(
  deps: ReconstituteDeps<Tx>,
  all: boolean,
  pace: Pace,
): Promise<{ kept: Kept; found: Draft }> {
  const record = await deps.store.readFeed(deps.key);
  const text = record?.reconstitution ?? null;
  const kept = text === null ? { verified: null, walk: null } : (JSON.parse(text) as Kept);
  const changedSince = all ? null : (kept.verified ?? (deps.since() > 0 ? deps.since() : null));
  // One that was to look at all goes on as such; another does not take the place of one that is to.
  if (kept.walk !== null && (!all || kept.walk.found.changedSince === null)) {
    return { kept, found: { ...kept.walk.found } };
  }
  await pace.turn();
  const head = await deps.client.head(deps.log ?? undefined);
  const nothing = { checked: 0, healed: [], healedSubjects: 0, healedEvents: 0, pending: 0, blocked: 0 };
  const found = { changedSince, head, ...nothing, failed: [], ahead: [], requests: 0 };
  return { kept: { ...kept, walk: null }, found };
}

/** Looks at a page of subjects, and gives those that lack events. */
function lacking<Tx>(
  deps: ReconstituteDeps<Tx>,
  page: readonly SubjectInfo[],
  cursors: ReadonlyMap<string, SubjectCursor>,
  found: Draft,
): Map<string, number> {
  const lacks = new Map<string, number>();
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
    } else {
      lacks.set(subject, mine);
    }
  }
  return lacks;
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

/**
 * Compares what the feed has of each subject with what was handled, and pulls what is lacking. It finds the lost last
 * event of a subject, which no later one would reveal. Goes on where one before was stopped. Rejects if the server or
 * the store cannot be used; what was done is kept.
 */
export async function reconstitute<Tx>(
  deps: ReconstituteDeps<Tx>,
  options: ReconstituteOptions,
  signal: AbortSignal,
): Promise<Reconstitution> {
  const { client, store, key, log, clock } = deps;
  const pace = createPace(clock, options.requestsPerSecond ?? REQUESTS_PER_SECOND, signal);
  const { kept, found } = await begin(deps, options.all === true, pace);
  const before = found.requests;
  const keep = (state: Kept) =>
    store.transact((tx) => store.saveFeed(tx, key, { reconstitution: JSON.stringify(state) }));

  const start = kept.walk?.after ?? found.changedSince ?? "";
  const at = typeof start === "string" ? { after: start } : { changedSince: start };
  const source = log === null ? {} : { feed: log };
  const pageSize = options.pageSize ?? PAGE_SIZE;
  const pages = client.subjectPages({ ...source, ...at, pageSize, signal });
  const isOver = typeof start === "number" && start >= found.head;
  for (let done = isOver; !done;) {
    await pace.turn();
    const { value: page } = await pages.next();
    const last = page?.at(-1);
    if (page === undefined || last === undefined) break;
    const cursors = await store.readSubjects(
      key,
      page.map(({ subject }) => subject),
    );
    const lacks = lacking(deps, page, new Map(cursors.map((each) => [each.subject, each])), found);
    await heal(deps, lacks, found, pace);
    found.requests = before + pace.count;
    const after = typeof start === "string" ? last.subject : last.position;
    done = page.length < pageSize || (typeof after === "number" && after >= found.head);
    await keep({ verified: kept.verified, walk: { found, after } });
    options.onProgress?.({ ...found });
  }
  found.requests = before + pace.count;
  await keep({ verified: Math.max(kept.verified ?? 0, found.head), walk: null });
  return found;
}
