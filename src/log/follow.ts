import type { LogAddress } from "./keys.ts";
import type { Filter } from "./pages.ts";
import { type Part, type ReadDeps, readPage } from "./read.ts";
import { findSubject, versionAt } from "./subjects.ts";
import type { Entry, Tail } from "./tail.ts";

/** What is followed: a log, or one subject of it; both may leave out types. */
export interface Interest {
  readonly subject: string | null;
  readonly filter: Filter;
}

/** Some server-sent events. `cursor` is the position that all events up to have been looked at. */
export interface Chunk {
  readonly parts: readonly Part[];
  readonly count: number;
  readonly cursor: number;
}

export interface FollowDeps extends ReadDeps {
  readonly tail: Tail;
}

/** Events of one chunk of catching up. */
const CHUNK_EVENTS = 500;

function isWanted({ subject, filter }: Interest): (entry: Entry) => boolean {
  const types = filter.types === undefined ? null : new Set(filter.types);
  const prefix = filter.subjectPrefix ?? "";
  return (entry) =>
    (subject === null || entry.subject === subject) &&
    (types === null || types.has(entry.type)) &&
    entry.subject.startsWith(prefix);
}

/** Reads what comes after the cursor from the log. */
async function readChunk(
  deps: FollowDeps,
  log: LogAddress,
  interest: Interest,
  cursor: number,
  signal: AbortSignal,
): Promise<Chunk> {
  const head = await deps.tail.refresh();
  const range = { direction: "forwards", filter: interest.filter, limit: CHUNK_EVENTS } as const;
  const caughtUp = { parts: [], count: 0, cursor: head };
  let selection;
  if (interest.subject === null) {
    selection = { ...range, source: "log", after: cursor, before: head + 1 } as const;
  } else {
    const subject = await findSubject(deps.database, log, interest.subject);
    if (subject === null) return caughtUp;
    const after = await versionAt(deps.database, log, subject, { position: cursor });
    const before = subject.version + 1;
    selection = { ...range, source: { subjectId: subject.id }, after, before } as const;
  }
  const page = await readPage(deps, log, selection, "event-stream", signal);
  return page.full
    ? { parts: page.parts, count: page.count, cursor: page.last }
    : { ...page, cursor: Math.max(head, page.last) };
}

/**
 * Follows a log from a cursor, with no gap and no repeat: while the cursor is older than what the tail has at
 * hand it reads the log, then it takes from the tail. It holds nothing but its cursor, so a slow reader costs
 * nothing, and is sent back to reading the log when the tail has moved on. Ends when the signal aborts.
 */
export async function* follow(
  deps: FollowDeps,
  log: LogAddress,
  interest: Interest,
  start: number,
  signal: AbortSignal,
): AsyncGenerator<Chunk, void, undefined> {
  const wanted = isWanted(interest);
  let cursor = start;
  while (!signal.aborted) {
    const recent = await deps.tail.since(cursor);
    const chunk =
      recent === null
        ? await readChunk(deps, log, interest, cursor, signal)
        : chunkOf(recent.entries, recent.end, wanted);
    if (signal.aborted) return;
    cursor = chunk.cursor;
    if (chunk.count > 0) yield chunk;
    else if (cursor >= deps.tail.head()) await deps.tail.passed(cursor, signal);
  }
}

function chunkOf(entries: readonly Entry[], end: number, wanted: (entry: Entry) => boolean): Chunk {
  const some = entries.slice(0, CHUNK_EVENTS);
  const matching = some.filter(wanted);
  return {
    parts: [matching.map((entry) => entry.text).join("")],
    count: matching.length,
    cursor: some.length < entries.length ? (some.at(-1)?.position ?? end) : end,
  };
}
