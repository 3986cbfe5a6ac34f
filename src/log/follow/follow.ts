import type { Notifier, Listener, NewEvents } from "./notifier.ts";
import type { LogAddress } from "../keys.ts";
import type { EventFilter } from "../read/pages.ts";
import { type PagePart, type ReadDeps, readPage } from "../read/read.ts";
import { findSubject, versionAt } from "../read/subjects.ts";
import type { Entry } from "./ring.ts";
import type { Tail } from "./tail.ts";

/** The events to follow: a log, or one subject of it; both may leave out types. */
export interface Interest {
  readonly subject: string | null;
  readonly filter: EventFilter;
}

/** Some server-sent events. `cursor` is the position that all events up to have been looked at. */
export interface Chunk {
  readonly parts: readonly PagePart[];
  readonly count: number;
  readonly cursor: number;
  /** Whether others are given the same chunk, which is in memory once. */
  readonly shared: boolean;
}

export interface FollowDeps extends ReadDeps {
  readonly tail: Tail;
  readonly notifier: Notifier;
}

/** The receiver of the followed events. */
export interface Taker {
  /** Receives one chunk, which is not empty, for each request. */
  readonly take: (chunk: Chunk) => void;
  /** The log got another identity: the cursor must be validated again. No more chunks follow. */
  readonly renewed: () => void;
  /** The log could not be read. */
  readonly fail: (error: unknown) => void;
}

export interface Following {
  /** Asks for the next chunk; not again before it was given. */
  ask(): void;
  /** Ends: no more chunks follow. */
  end(): void;
}

/** Where following begins: after a position, within the history that an identity names. */
export interface FollowStart {
  readonly position: number;
  readonly identity: string;
}

/** Most events of one chunk, and most bytes, unless a single event is larger: so much is held for a socket that does not read. */
const CHUNK_EVENTS = 500;
const CHUNK_BYTES = 128 * 1024;

const ENCODER = new TextEncoder();

/** Null: every event is. */
function isWanted({ subject, filter }: Interest): ((entry: Entry) => boolean) | null {
  const types = filter.types === undefined ? null : new Set(filter.types);
  const prefix = filter.subjectPrefix ?? "";
  if (subject === null && types === null && prefix === "") return null;
  return (entry) =>
    (subject === null || entry.subject === subject) &&
    (types === null || types.has(entry.type)) &&
    entry.subject.startsWith(prefix);
}

/** Reads the events after the cursor from the log; null when the log has another identity. */
async function readChunk(
  deps: FollowDeps,
  log: LogAddress,
  interest: Interest,
  { position: cursor, identity }: FollowStart,
  signal: AbortSignal,
): Promise<Chunk | null> {
  const { head, identity: current } = await deps.tail.refresh();
  if (current !== identity) return null;
  const range = { direction: "forwards", filter: interest.filter, limit: CHUNK_EVENTS } as const;
  const caughtUp = { parts: [], count: 0, cursor: head, shared: false };
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
  const pageBytes = Math.min(CHUNK_BYTES, deps.pageBytes);
  const framing = "event-stream";
  const page = await readPage({ ...deps, pageBytes }, log, selection, framing, identity, { signal });
  if (page === null) return null;
  return page.full
    ? { parts: page.parts, count: page.count, cursor: page.last, shared: false }
    : { ...page, cursor: Math.max(head, page.last), shared: false };
}

/** The first entries, as many as a chunk holds; at least one. */
function fitting(entries: readonly Entry[]): readonly Entry[] {
  let bytes = 0;
  let count = 0;
  for (const entry of entries) {
    bytes += entry.bytes;
    if (count > 0 && (count >= CHUNK_EVENTS || bytes > CHUNK_BYTES)) break;
    count += 1;
  }
  return count < entries.length ? entries.slice(0, count) : entries;
}

function chunkOf(entries: readonly Entry[], end: number, wanted: ReturnType<typeof isWanted>): Chunk {
  const some = fitting(entries);
  const matching = wanted === null ? some : some.filter(wanted);
  return {
    parts: [ENCODER.encode(matching.map((entry) => entry.text).join(""))],
    count: matching.length,
    cursor: some.length < entries.length ? (some.at(-1)?.position ?? end) : end,
    shared: false,
  };
}

/** The chunk that most listeners receive, rendered once for all of them. */
const chunkOfAll = new WeakMap<NewEvents, Chunk>();

function chunkOfNews(news: NewEvents, cursor: number, wanted: ReturnType<typeof isWanted>): Chunk {
  const { entries, start, end } = news;
  if (wanted !== null || cursor !== start) {
    return chunkOf(
      entries.filter(({ position }) => position > cursor),
      Math.max(end, cursor),
      wanted,
    );
  }
  const made = chunkOfAll.get(news) ?? { ...chunkOf(entries, end, null), shared: true };
  chunkOfAll.set(news, made);
  return made;
}

/**
 * Follows a log from a cursor, with no gap and no repeat: while the cursor is older than what the tail has at
 * hand it reads the log, then it takes from the tail, and then it waits with all others. It holds nothing but its
 * cursor, so a slow reader costs nothing, and is sent back to reading the log when the tail has moved on.
 */
export function follow(
  deps: FollowDeps,
  log: LogAddress,
  interest: Interest,
  { position: start, identity }: FollowStart,
  { take, renewed, fail }: Taker,
): Following {
  const { tail, notifier } = deps;
  const wanted = isWanted(interest);
  let cursor = start;
  let ended = false;
  let reading: AbortController | null = null;

  /** True when the taker received the chunk. */
  const give = (chunk: Chunk): boolean => {
    cursor = chunk.cursor;
    if (chunk.count > 0) take(chunk);
    return chunk.count > 0;
  };

  /** Null when the log has another identity. */
  const next = async (): Promise<Chunk | null> => {
    if (tail.identity() !== identity) return null;
    const recent = await tail.since(cursor);
    if (recent !== null) {
      return recent.identity === identity ? chunkOf(recent.entries, recent.end, wanted) : null;
    }
    reading = new AbortController();
    return readChunk(deps, log, interest, { position: cursor, identity }, reading.signal);
  };

  const look = async () => {
    while (!ended && !notifier.wait(listener)) {
      const chunk = await next();
      if (ended) return;
      if (chunk === null) return renewed();
      if (give(chunk)) return;
    }
  };
  const ask = () => {
    // Most listeners have seen all events: they wait without a promise each.
    if (ended || notifier.wait(listener)) return;
    look().catch((error: unknown) => ended || fail(error));
  };

  const listener: Listener = {
    cursor: () => cursor,
    identity,
    notify(news) {
      try {
        if (news === null || news.identity !== identity || !give(chunkOfNews(news, cursor, wanted))) ask();
      } catch (error) {
        // A listener that fails does not keep the news from the others.
        if (!ended) fail(error);
      }
    },
  };

  return {
    ask,
    end() {
      ended = true;
      reading?.abort();
      notifier.leave(listener);
    },
  };
}
