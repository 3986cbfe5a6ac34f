import type { Clock } from "../../core/clock.ts";
import type { Limits } from "../../core/limits.ts";
import { createNotifier } from "../follow/notifier.ts";
import type { Database } from "../../storage/database.ts";
import { follow, type Following, type FollowStart, type Interest, type Taker } from "../follow/follow.ts";
import { type Generations, type PositionRange, readGenerations } from "../erase/generations.ts";
import { createHeadWatch, type HeadWatch } from "../follow/head-watch.ts";
import type { LogAddress } from "../keys.ts";
import type { LogState } from "../log-state.ts";
import { ENVELOPE_BYTES } from "./pages.ts";
import { type PageAnswer, type PageQuery, queryPage } from "./query.ts";
import { readInSlices } from "./read-slices.ts";
import type { PageReadOptions } from "./read.ts";
import type { Framing } from "./render.ts";
import {
  findSubject,
  listChangedSubjects,
  listSubjects,
  type SubjectRow,
  type SubjectList,
} from "./subjects.ts";
import { createTail } from "../follow/tail.ts";
import type { LogNotice } from "../append/writer.ts";

/** Reading any log: the event log, or a version of a feed. */
export interface LogReader {
  /** The log's path, and the `source` of its events. */
  readonly name: string;
  readonly address: LogAddress;
  /** Whether it reads a replica, which may lack events that are already written. */
  readonly replica: boolean;
  /** Position of the last event ever appended, looked up now. */
  head(): Promise<number>;
  /** The head, with the identity of the history that it belongs to, looked up now. */
  state(): Promise<LogState>;
  /** The last known head. Every later read includes it. */
  knownHead(): number;
  /** The last known identity; empty before the first look. */
  knownIdentity(): string;
  /**
   * Resolves when the head has passed a position, the signal aborts, or the log gets another identity, and gives the last
   * known head; looks for itself at times, as followers do.
   */
  passed(position: number, signal: AbortSignal): Promise<number>;
  /** The same for a position that is known to come, so that it is looked for sooner: resolves when it is there. */
  reached(position: number, signal: AbortSignal): Promise<number>;
  find(subject: string): Promise<SubjectRow | null>;
  page(query: PageQuery, framing: Framing, options?: PageReadOptions): Promise<PageAnswer>;
  /** Looks up how often events were removed or replaced in ranges of positions. */
  generations(ranges: readonly PositionRange[]): Promise<Generations>;
  /** Gives server-sent events after a position, a chunk whenever it is asked to, until it is ended. */
  follow(interest: Interest, start: FollowStart, taker: Taker): Following;
  subjects(query: { prefix: string; cursor: string; limit: number }): Promise<SubjectList>;
  changedSubjects(query: { prefix: string; since: number; limit: number }): Promise<SubjectList>;
  /** Calls back when events of the log were truncated or erased, in any process; returns the function that unsubscribes. */
  onRemoval(listener: () => void): () => void;
  /** Wakes followers at once; without it they detect changes at their next poll. */
  notify(notice: LogNotice): void;
  /** Ends all followers. */
  close(): void;
}

export interface LogReaderDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly limits: Limits;
  /** How often the head is looked up for followers, for what other processes append; in milliseconds. */
  readonly pollIntervalMs: number;
  /** Looks up the heads of several logs together. Default: the reader's own. */
  readonly heads?: HeadWatch;
}

/**
 * A libSQL server gives no value above some 5 MB. So much data, and so many events with the longest names around each,
 * are less.
 */
const SERVER_PAGE_BYTES = 2 * 1024 * 1024;
const SERVER_PIECE_EVENTS = 2_000;

/** Most bytes that an event can have on the wire. */
function mostEventBytes({ eventBytes, metadataBytes, typeBytes, streamNameBytes }: Limits): number {
  return ENVELOPE_BYTES + eventBytes + metadataBytes + 3 * typeBytes + 2 * streamNameBytes;
}

/** Opens a log for reading, on a database whose schema is up to date. */
export function openLogReader(
  { database: whole, clock, limits, pollIntervalMs, heads: shared }: LogReaderDeps,
  log: LogAddress,
): LogReader {
  const database = readInSlices(whole, clock);
  const heads = shared ?? createHeadWatch({ database, clock, pollIntervalMs });
  const tail = createTail({ database, log, heads });
  const notifier = createNotifier(tail);
  const deps = {
    database,
    clock,
    pageBytes: database.embedded ? limits.pageBytes : Math.min(limits.pageBytes, SERVER_PAGE_BYTES),
    pieceEvents: database.embedded ? Infinity : SERVER_PIECE_EVENTS,
    eventBytes: mostEventBytes(limits),
    tail,
    notifier,
  };
  return {
    name: log.name,
    address: log,
    replica: database.replica,
    head: async () => (await tail.refresh()).head,
    state: () => tail.refresh(),
    knownHead: () => tail.head(),
    knownIdentity: () => tail.identity(),
    passed: (position, signal) => tail.passed(position, signal),
    reached(position, signal) {
      const there = tail.passed(position - 1, signal);
      tail.expect(position);
      return there;
    },
    find: (subject) => findSubject(database, log, subject),
    page: (query, framing, options) => queryPage(deps, log, query, framing, options),
    generations: (ranges) => readGenerations(database, log, ranges),
    follow: (interest, start, taker) => follow(deps, log, interest, start, taker),
    subjects: (query) => listSubjects(database, log, query),
    changedSubjects: async (query) =>
      listChangedSubjects(deps, log, { ...query, head: (await tail.refresh()).head }),
    onRemoval: (listener) => tail.onRemoval(listener),
    notify(notice) {
      if (notice === "truncated") tail.reset();
      // A replica does not have it yet. If the tail took it for read, followers would miss it.
      else if (database.replica) tail.expect(notice.head);
      else tail.advance(notice);
    },
    close() {
      notifier.close();
      tail.close();
      if (shared === undefined) heads.close();
    },
  };
}
