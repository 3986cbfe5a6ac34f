import { EVENT_LOG_ADDRESS, type LogAddress } from "../keys.ts";
import { withinOneHistory } from "./one-history.ts";
import type { Direction, EventFilter, EventSelection } from "./pages.ts";
import { type ReadDeps, type PageReadOptions, readPage, type Page } from "./read.ts";
import type { Framing } from "./render.ts";
import { findSubject, type SubjectRow, versionAt } from "./subjects.ts";
import type { Tail } from "../follow/tail.ts";

/** A page of a log or of one of its subjects, as a caller asks for it. */
export interface PageQuery {
  readonly subject: string | null;
  /** Only events beyond this position, in the direction of the page; absent: from its beginning. */
  readonly lastEventId?: number | undefined;
  readonly direction: Direction;
  readonly limit: number;
  readonly filter: EventFilter;
  /** Only of a subject: versions after this one. */
  readonly afterVersion?: number | undefined;
  /** Only of a subject: versions up to this one. */
  readonly toVersion?: number | undefined;
  /** Only of a subject: events recorded up to this time (UTC, ms). */
  readonly asOf?: string | undefined;
}

export interface PageAnswer extends Page {
  /** Position of the log's last event when the page was read. */
  readonly head: number;
  /** Identity of the log when the page was read. */
  readonly identity: string;
  /** The subject asked for; null when a whole log was asked for, or the subject has no events. */
  readonly subject: SubjectRow | null;
}

export interface QueryDeps extends ReadDeps {
  readonly tail: Tail;
}

const NOTHING: Page = { parts: [], count: 0, first: 0, last: 0, removals: 0, full: false };

function logSelection(query: PageQuery, head: number): EventSelection {
  const { lastEventId, direction, filter, limit } = query;
  const end = head + 1;
  return direction === "forwards"
    ? { source: "log", after: lastEventId ?? 0, before: end, direction, filter, limit }
    : { source: "log", after: 0, before: Math.min(lastEventId ?? end, end), direction, filter, limit };
}

/**
 * A subject's versions up to a time end at one version in the event log, whose recorded times grow. In a feed they may not:
 * a re-keyed feed of a feed has its events in the order of the feed it reads. There each event is looked at.
 */
async function subjectSelection(
  { database }: QueryDeps,
  log: LogAddress,
  query: PageQuery,
  subject: SubjectRow,
): Promise<EventSelection> {
  const { lastEventId, direction, filter, limit, afterVersion, toVersion, asOf } = query;
  let after = Math.max(subject.firstVersion - 1, afterVersion ?? 0);
  let before = Math.min(subject.version, toVersion ?? subject.version) + 1;
  const isAscending = log.base === EVENT_LOG_ADDRESS.base;
  if (asOf !== undefined && isAscending)
    before = Math.min(before, (await versionAt(database, log, subject, { recorded: asOf })) + 1);
  if (lastEventId !== undefined && direction === "forwards") {
    after = Math.max(after, await versionAt(database, log, subject, { position: lastEventId }));
  }
  if (lastEventId !== undefined && direction === "backwards") {
    before = Math.min(before, (await versionAt(database, log, subject, { position: lastEventId - 1 })) + 1);
  }
  const recordedBy = isAscending ? undefined : asOf;
  const source = { subjectId: subject.id };
  return { source, after, before, direction, filter: { ...filter, recordedBy }, limit };
}

/** Null when the log got another identity meanwhile. */
async function queryOnce(
  deps: QueryDeps,
  log: LogAddress,
  query: PageQuery,
  framing: Framing,
  options: PageReadOptions,
): Promise<PageAnswer | null> {
  const state = await deps.tail.refresh();
  const { identity } = state;
  if (query.subject === null) {
    const page = await readPage(deps, log, logSelection(query, state.head), framing, identity, options);
    return page === null ? null : { ...page, ...state, subject: null };
  }
  const subject = await findSubject(deps.database, log, query.subject);
  if (subject === null) {
    const after = await deps.tail.refresh();
    return after.identity === identity ? { ...NOTHING, ...state, subject } : null;
  }
  const selection = await subjectSelection(deps, log, query, subject);
  const page = await readPage(deps, log, selection, framing, identity, options);
  return page === null ? null : { ...page, ...state, subject };
}

/**
 * Reads a page as it is now, all of it from the history that the answer's identity names. A cursor beyond the head is
 * for the caller to judge; nothing comes after it.
 */
export async function queryPage(
  deps: QueryDeps,
  log: LogAddress,
  query: PageQuery,
  framing: Framing,
  options: PageReadOptions = {},
): Promise<PageAnswer> {
  return withinOneHistory(log.name, () => queryOnce(deps, log, query, framing, options));
}
