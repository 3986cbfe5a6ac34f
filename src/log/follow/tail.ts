import { ERASED_IN_PART_TYPE, ERASED_TYPE } from "../../core/event.ts";
import { utf8Bytes } from "../../core/names.ts";
import { type Database, integerAt, textAt } from "../../storage/database.ts";
import { isTooLarge } from "../../storage/failures.ts";
import type { HeadWatch, Watched } from "./head-watch.ts";
import type { LogAddress } from "../keys.ts";
import { type LogState, type ObservedLog, readLogState } from "../log-state.ts";
import { type Direction, entriesStatement, fittingSelection, type EventSelection } from "../read/pages.ts";

/** A recent event, ready to be sent. */
export interface Entry {
  readonly position: number;
  readonly subject: string;
  readonly type: string;
  /** As a server-sent event. */
  readonly text: string;
  /** Of the text. */
  readonly bytes: number;
}

/** Entries that are kept at hand. A follower that falls behind them reads pages again. */
const RING_ENTRIES = 4_096;
/** Bytes of text that are kept at hand. */
const RING_BYTES = 8 * 1024 * 1024;
/** Entries that one query adds. After a longer jump of the head the ring starts again near the end. */
const FILL_ENTRIES = 1_000;
/** So few new entries are read without asking how large they are. */
const FEW_ENTRIES = 4;

/** Entries at hand, all of the history that the identity names. */
export interface Recent {
  readonly entries: readonly Entry[];
  readonly end: number;
  readonly identity: string;
}

/**
 * The live end of a log, shared by all its followers in this process: one wake-up, one read of the new events, one
 * ring of recent events. It is only a cache: a follower that does not find an event here reads it from the log.
 */
export interface Tail {
  /** The last known head. */
  head(): number;
  /** The last known identity of the log; empty before it is known. */
  identity(): string;
  /**
   * Takes over a state that the database has, such as after this process's own commits, and returns whether it is news.
   * Another identity discards everything at hand.
   */
  advance(state: LogState): boolean;
  /** Announces a head that a replica will have soon, so that the tail looks for it sooner. */
  expect(head: number): void;
  /**
   * Resolves when the head has passed `position`, when the signal aborts, or when the log gets another identity; gives
   * the last known head.
   */
  passed(position: number, signal: AbortSignal): Promise<number>;
  /** Events after `position` and up to `end`, in order; null when they are no longer at hand. */
  since(position: number): Promise<Recent | null>;
  /** Looks the state up now, for readers that must see what other processes appended. */
  refresh(): Promise<LogState>;
  /** Empties the ring: some of its events were truncated. */
  reset(): void;
  /** Calls back when events of the log were truncated or erased, in any process; returns the function that unsubscribes. */
  onRemoval(listener: () => void): () => void;
  close(): void;
}

export interface TailDeps {
  readonly database: Database;
  readonly log: LogAddress;
  /** Looks the head up while a follower waits, for appends of other processes. */
  readonly heads: HeadWatch;
}

export function createTail({ database, log, heads }: TailDeps): Tail {
  /** The head read here, or about to be: the ring takes events up to it for present when it is filled. */
  let head = 0;
  let identity = "";
  let expected = 0;
  let ring: Entry[] = [];
  let ringBytes = 0;
  /** Every event after it and up to the ring's end is in the ring. */
  let ringStart = 0;
  let ringEnd = 0;
  let filling: Promise<void> | null = null;
  /** How often events were removed, as last seen; null before the first look. */
  let removals: number | null = null;
  const removalListeners = new Set<() => void>();
  /** How often the ring was emptied because of removals: events read before must not enter it afterwards. */
  let discards = 0;
  const waiters = new Set<() => void>();
  const closed = new AbortController();

  const wakeAll = () => {
    for (const wake of Array.from(waiters)) wake();
  };

  const reset = (position: number) => {
    ring = [];
    ringBytes = 0;
    ringStart = position;
    ringEnd = position;
  };

  const advance = (seen: LogState): boolean => {
    if (seen.identity !== identity) {
      ({ head, identity } = seen);
      expected = 0;
      reset(0);
    } else if (seen.head <= head) return false;
    head = seen.head;
    wakeAll();
    return true;
  };

  const discard = () => {
    discards += 1;
    reset(head);
  };

  const noteRemovals = (seen: ObservedLog) => {
    if (seen.identity === "" || seen.removals === removals) return;
    const isNews = removals !== null;
    removals = seen.removals;
    if (!isNews) return;
    discard();
    for (const listener of removalListeners) listener();
  };

  const observe = (seen: ObservedLog): boolean => {
    const isNews = advance(seen);
    noteRemovals(seen);
    return isNews;
  };

  const refresh = async (): Promise<LogState> => {
    const seen = await readLogState(database, log);
    observe(seen);
    return seen.identity === identity ? { head, identity } : seen;
  };

  const isAwaited = () => waiters.size > 0;
  const watched: Watched = {
    log,
    isAwaited,
    isDue: () => isAwaited() && expected > head,
    advance: observe,
    isHolding: () => ring.length > 0,
  };
  const look = heads.add(watched);

  const newEntries = (target: number, direction: Direction): EventSelection => {
    const range = { source: "log", after: ringEnd, before: target + 1 } as const;
    return { ...range, direction, filter: {}, limit: FILL_ENTRIES };
  };

  /** The position after which new entries fit into the ring: those before it would be read to be dropped. */
  const fillStart = async (target: number): Promise<number> => {
    // A libSQL server bounds its answers, and asking it would delay every follower.
    if (target - ringEnd <= FEW_ENTRIES || !database.embedded) return ringEnd;
    const newest = newEntries(target, "backwards");
    const [row] = await database.read(fittingSelection(log, newest, RING_BYTES));
    const [all, fitting] = [integerAt(row, 0), integerAt(row, 1)];
    // Positions may be missing, but never so that more entries come after the start than fit.
    return fitting < all ? target - fitting : ringEnd;
  };

  const fill = async () => {
    const target = head;
    const [known, before] = [identity, discards];
    const isOutdated = () => identity !== known || discards !== before;
    if (target - ringEnd > FILL_ENTRIES) reset(target - FILL_ENTRIES);
    const start = await fillStart(target);
    if (isOutdated()) return;
    if (start > ringEnd) reset(start);
    const statement = entriesStatement(log, known, newEntries(target, "forwards"), "event-stream");
    const rows = await database.read(statement).catch((error: unknown) => {
      if (!isTooLarge(error)) throw error;
      return null;
    });
    // The database gives nothing when the log has another identity.
    if (rows?.length === 0) await refresh();
    if (isOutdated()) return;
    if (rows === null) {
      // More at once than a libSQL server returns: followers that are behind read pages, and the ring starts empty.
      reset(target);
      return;
    }
    for (const row of rows) {
      const text = textAt(row, 3);
      const entry: Entry = {
        position: integerAt(row, 0),
        subject: textAt(row, 1),
        type: textAt(row, 2),
        text,
        bytes: utf8Bytes(text),
      };
      // Erased events must not be sent from here.
      if (entry.type === ERASED_TYPE) {
        ring = ring.filter(({ subject }) => subject !== entry.subject);
        ringBytes = ring.reduce((total, { bytes }) => total + bytes, 0);
      }
      // Nor events that were erased in place, which the ring read earlier.
      if (entry.type === ERASED_IN_PART_TYPE) reset(entry.position - 1);
      ring.push(entry);
      ringBytes += entry.bytes;
    }
    ringEnd = target;
    look();
    let drop = 0;
    while (ring.length - drop > RING_ENTRIES || ringBytes > RING_BYTES) {
      const oldest = ring[drop];
      if (oldest === undefined) break;
      ringBytes -= oldest.bytes;
      ringStart = oldest.position;
      drop += 1;
    }
    if (drop > 0) ring = ring.slice(drop);
  };

  /** Index of the first entry after a position. */
  const indexAfter = (position: number): number => {
    let [low, high] = [0, ring.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((ring[middle]?.position ?? 0) <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  };

  return {
    head: () => head,
    identity: () => identity,
    advance,
    expect(position) {
      expected = Math.max(expected, position);
      if (isAwaited()) look();
    },
    refresh,
    reset: discard,
    onRemoval(listener) {
      removalListeners.add(listener);
      return () => removalListeners.delete(listener);
    },
    passed(position, signal) {
      if (head > position || signal.aborted || closed.signal.aborted) return Promise.resolve(head);
      const known = identity;
      const isRenewed = () => known !== "" && identity !== known;
      return new Promise((resolve) => {
        const wake = () => {
          if (head <= position && !isRenewed() && !signal.aborted && !closed.signal.aborted) return;
          waiters.delete(wake);
          signal.removeEventListener("abort", wake);
          resolve(head);
        };
        waiters.add(wake);
        signal.addEventListener("abort", wake);
        look();
      });
    },
    async since(position) {
      // The first follower needs only later events: in a worker, each follower is the first.
      if (ringEnd === 0) reset(position);
      while (ringEnd < head) {
        filling ??= fill().finally(() => (filling = null));
        await filling;
      }
      return position < ringStart
        ? null
        : { entries: ring.slice(indexAfter(position)), end: ringEnd, identity };
    },
    close() {
      closed.abort();
      wakeAll();
      heads.remove(watched);
    },
  };
}
