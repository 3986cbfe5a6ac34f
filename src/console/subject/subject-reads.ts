import type { Client } from "../../client/client.ts";
import type { ReadOptions } from "../../client/types.ts";
import type { FeedInfo } from "../../client/feed-types.ts";
import { KildeError, type ProblemCode } from "../../core/errors.ts";
import type { KildeEvent } from "../../core/read-event.ts";
import { type BoundedRead, readBounded } from "../data/read-bounded.ts";
import { readEventAt } from "../data/read-event-at.ts";
import { versionName } from "../feeds/feed-groups.ts";

/** Events of the stream that one page aligns. */
export const STEP = 20;

/** Events of one version that a page has, and those that it looks through for them. */
export const MOST_EVENTS = 500;
const MOST_LOOKED_THROUGH = 5_000;

/** The events that one version of a feed published about a subject. */
export interface Publication {
  readonly info: FeedInfo;
  /** Those of the page, the latest first. */
  readonly events: readonly KildeEvent[];
  /** Reason for which they could not be read; null: they were. */
  readonly error: unknown;
  /** The version has more events on this page than it reads. */
  readonly isIncomplete: boolean;
}

/** A page of one entity: events of its stream, next to those that versions of feeds published about it. */
export interface SubjectPage {
  /** The latest first; null: the sender may not read the stream. */
  readonly stream: readonly KildeEvent[] | null;
  readonly publications: readonly Publication[];
  /** Events of other streams that something on the page was projected from. */
  readonly others: readonly KildeEvent[];
  readonly hasEarlier: boolean;
  /** Position in the event log of the first event on the page; null: the page is empty. */
  readonly first: number | null;
}

export interface SubjectRange {
  readonly name: string;
  /** Only events before this position of the event log; undefined: the latest. */
  readonly before: number | undefined;
}

type Reads = Pick<Client, "read" | "readPages">;

function hasCode(error: unknown, ...codes: readonly ProblemCode[]): boolean {
  return error instanceof KildeError && codes.includes(error.code);
}

export interface ReadState {
  readonly signal: AbortSignal;
  /** Feeds that were found to have events of the subject; empty: the event log. */
  readonly known: Set<string>;
}

/**
 * Whether a log has events of a subject. A wait for them has an answer without a fault where there are none, which browsers
 * would log.
 */
async function hasSubject(
  client: Reads,
  log: Pick<ReadOptions, "stream" | "feed" | "subject">,
  { known, signal }: ReadState,
): Promise<boolean> {
  const name = log.feed ?? "";
  if (known.has(name)) return true;
  const pages = client.readPages({ ...log, limit: 1, timeout: 1, signal });
  const first = await pages.next();
  await pages.return();
  const isFound = first.done !== true && first.value.length > 0;
  if (isFound) known.add(name);
  return isFound;
}

function originOf({ projectedFrom }: KildeEvent): number {
  return projectedFrom ?? 0;
}

const NONE: BoundedRead = { events: [], mayHaveMore: false };

/** Reads one event more than a page has; a stream that does not exist has none. Null: the sender may not read it. */
async function readStream(
  client: Reads,
  { name, before }: SubjectRange,
  state: ReadState,
): Promise<BoundedRead | null> {
  const { signal } = state;
  const end = before === undefined ? {} : { lastEventId: before };
  const options = { stream: name, direction: "backwards", signal, ...end } as const;
  try {
    return (await hasSubject(client, { stream: name }, state))
      ? await readBounded(client, options, STEP + 1)
      : NONE;
  } catch (error) {
    if (hasCode(error, "forbidden")) return null;
    if (!hasCode(error, "stream-not-found")) throw error;
    return NONE;
  }
}

interface PublishedRange extends SubjectRange {
  /** Only events projected from this position of the event log or a later one. */
  readonly from: number;
  /** Events after which the read ends, with the origin that the last one has. */
  readonly most: number;
}

/** A publication, and the position of the event log from which it lacks nothing; 0: it has all of the page. */
interface ReadPublication extends Publication {
  readonly completeFrom: number;
}

/** Leaves the events of the last origin to the next page, unless they are the only ones. */
function wholeOrigins(
  events: readonly KildeEvent[],
): Pick<ReadPublication, "events" | "completeFrom" | "isIncomplete"> {
  const origins = events.map(originOf);
  const end = origins.at(-1) ?? 0;
  const whole = origins.indexOf(end);
  return whole === 0
    ? { events, completeFrom: end, isIncomplete: true }
    : { events: events.slice(0, whole), completeFrom: origins[whole - 1] ?? 0, isIncomplete: false };
}

async function readPublication(
  client: Reads,
  info: FeedInfo,
  { name, before = Infinity, from, most }: PublishedRange,
  state: ReadState,
): Promise<ReadPublication> {
  const { signal } = state;
  const events: KildeEvent[] = [];
  const all = { info, events, error: null, isIncomplete: false, completeFrom: 0 };
  const options = { feed: versionName(info), subject: name, direction: "backwards", signal } as const;
  // Feeds have no index by origin: a later page passes the events of those before it.
  const pageSize = before === Infinity ? 2 * STEP : MOST_EVENTS;
  let passed = 0;
  try {
    if (!(await hasSubject(client, { feed: options.feed, subject: name }, state))) return all;
    for await (const event of client.read({ ...options, limit: MOST_LOOKED_THROUGH, pageSize })) {
      const origin = originOf(event);
      passed += 1;
      if (origin < from) return all;
      if (origin >= before) continue;
      if (events.length >= most && origin !== originOf(events.at(-1) ?? event))
        return { ...all, completeFrom: originOf(events.at(-1) ?? event) };
      if (events.length === MOST_EVENTS) return { ...all, ...wholeOrigins(events) };
      events.push(event);
    }
  } catch (error) {
    if (signal.aborted) throw error;
    return { ...all, error: hasCode(error, "subject-not-found") ? null : error };
  }
  return { ...all, isIncomplete: passed === MOST_LOOKED_THROUGH };
}

/** Reads events of the event log by position, those that still exist. */
async function readAt(
  client: Reads,
  positions: readonly number[],
  signal: AbortSignal,
): Promise<readonly KildeEvent[]> {
  const found: KildeEvent[] = [];
  try {
    for (const position of positions) {
      const event = await readEventAt(client, position, { signal });
      if (event !== null) found.push(event);
    }
  } catch (error) {
    if (!hasCode(error, "forbidden")) throw error;
  }
  return found;
}

/** Reads a page of a subject. */
export async function readSubjectPage(
  client: Reads,
  feeds: readonly FeedInfo[],
  range: SubjectRange,
  state: ReadState,
): Promise<SubjectPage> {
  const read = await readStream(client, range, state);
  const latest = read?.events.slice(0, STEP) ?? null;
  const hasStream = latest !== null && latest.length > 0;
  const hasMore = read !== null && read.mayHaveMore && (latest?.at(-1)?.version ?? 1) > 1;
  const first = hasMore ? (latest?.at(-1)?.position ?? 0) : 0;
  // A feed may publish under other names than those of its source: then its events alone fill the page.
  const most = hasStream ? MOST_EVENTS : STEP;
  const published = await Promise.all(
    feeds.map((info) => readPublication(client, info, { ...range, from: first, most }, state)),
  );
  // A version with more events than fit ends the page, so that the other ones are compared up to there.
  const from = Math.max(first, ...published.map(({ completeFrom }) => completeFrom));
  const stream = latest?.filter(({ position }) => position >= from) ?? null;
  const publications = published.map(({ info, events, error, isIncomplete }) => ({
    info,
    events: events.filter((event) => originOf(event) >= from),
    error,
    isIncomplete,
  }));
  const known = new Set(stream?.map(({ position }) => position));
  const origins = publications.flatMap(({ events }) => events.map(originOf));
  const unknown = [...new Set(origins)].filter((origin) => origin > 0 && !known.has(origin));
  const others = stream === null ? [] : await readAt(client, unknown.slice(0, STEP), state.signal);
  const positions = [...known, ...origins];
  return {
    stream,
    publications,
    others,
    hasEarlier: from > 0,
    first: positions.length === 0 ? null : Math.min(...positions),
  };
}
