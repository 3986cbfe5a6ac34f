import type { Database } from "../../storage/database.ts";
import { fillRing } from "./fill-ring.ts";
import type { HeadWatch, Watched } from "./head-watch.ts";
import { createKnownHead } from "./known-head.ts";
import type { LogAddress } from "../keys.ts";
import { type LogState, type ObservedLog, readLogState } from "../log-state.ts";
import { createRemovals } from "./removals.ts";
import { type Entry, Ring } from "./ring.ts";

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
   * Takes over a state that the database has, such as after this process's own commits, and returns whether it is new.
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
  const ring = new Ring();
  let expected = 0;
  let filling: Promise<void> | null = null;
  const removals = createRemovals();
  /** The head read here, or about to be: the ring takes events up to it for present when it is filled. */
  const known = createKnownHead(() => {
    expected = 0;
    ring.reset(0);
  });

  const discard = () => ring.discard(known.head);

  // Before other listeners: they may read again.
  removals.listen(discard);

  const observe = (seen: ObservedLog): boolean => {
    const isNews = known.advance(seen);
    removals.note(seen);
    return isNews;
  };

  const refresh = async (): Promise<LogState> => {
    const seen = await readLogState(database, log);
    observe(seen);
    return seen.identity === known.identity ? { head: known.head, identity: known.identity } : seen;
  };

  const watched: Watched = {
    log,
    isAwaited: () => known.isAwaited,
    isDue: () => known.isAwaited && expected > known.head,
    advance: observe,
    isHolding: () => !ring.isEmpty,
  };
  const look = heads.add(watched);

  const fill = async () => {
    await fillRing(ring, { database, log, known, refresh });
    if (!ring.isEmpty) look();
  };

  return {
    head: () => known.head,
    identity: () => known.identity,
    advance: (state) => known.advance(state),
    expect(position) {
      expected = Math.max(expected, position);
      if (known.isAwaited) look();
    },
    refresh,
    reset: discard,
    onRemoval: (listener) => removals.listen(listener),
    passed: (position, signal) => known.passed(position, signal, look),
    async since(position) {
      // The first follower needs only later events: in a worker, each follower is the first.
      if (ring.end === 0) ring.reset(position);
      while (ring.end < known.head) {
        filling ??= fill().finally(() => (filling = null));
        await filling;
      }
      return position < ring.start
        ? null
        : { entries: ring.after(position), end: ring.end, identity: known.identity };
    },
    close() {
      known.close();
      heads.remove(watched);
    },
  };
}
