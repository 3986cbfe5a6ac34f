import type { Clock } from "./clock.ts";

/** Shortest time between two sweeps for expired holds. */
const SWEEP_MS = 1_000;

/** A hold that was idle for this long is evicted when another hold needs its bytes. */
const EVICTABLE_MS = 2_000;

/** Holds larger than this may use only this share of a budget, so that small holds find room. */
const SMALL_BYTES = 64 * 1024;
const LARGE_SHARE = 0.75;

/** Bytes of a budget that one request holds. */
export interface Hold {
  /** Reserves more bytes. Returns false, and reserves nothing, when the budget has no room. */
  take(bytes: number): boolean;
  /** Returns bytes to the budget. */
  give(bytes: number): void;
  /** Restarts the idle time: the client made progress. */
  stand(): void;
  /**
   * Suspends the idle time until {@link stand} is called again: the bytes still count, but the hold cannot be
   * evicted.
   */
  rest(): void;
  /** Returns all bytes and ends the hold. May be called more than once. */
  release(): void;
}

/**
 * Bounds the bytes that are held for clients, which may never send the rest of a body or read an answer. When the
 * budget has no room, it evicts the holds that were idle for longest.
 */
export interface ByteBudget {
  /**
   * Starts a hold of zero bytes, whose idle time starts now. `evict` is called at most once, when the hold was idle
   * for too long; it must release the hold.
   */
  hold(evict: () => void): Hold;
  /** Bytes currently held. */
  readonly held: () => number;
}

export interface ByteBudgetOptions {
  readonly clock: Clock;
  /** Limit for all holds together, in bytes. */
  readonly mostBytes: number;
  /** Longest idle time of a hold, in milliseconds. */
  readonly stillMs: number;
  /** Aborts at shutdown, which ends requests with a deadline of its own: from then on, idle time evicts nothing. */
  readonly closing: AbortSignal;
}

/** State that the holds of a budget share. */
interface Shared {
  readonly clock: Clock;
  readonly mostBytes: number;
  /** Holds that may be evicted, the one with the longest idle time first. */
  readonly standing: Set<BudgetHold>;
  total: number;
  /** Starts the sweep for expired holds, unless it is running. */
  watch(): void;
}

/** Evicts the hold with the longest idle time if that is at least `leastMs`. Returns whether a hold was evicted. */
function evictFirst({ standing, clock }: Shared, leastMs: number): boolean {
  for (const first of standing) {
    if (clock.monotonic() - first.since < leastMs) return false;
    standing.delete(first);
    first.evict();
    return true;
  }
  return false;
}

/** A class, because each request creates one and the methods are shared. */
class BudgetHold implements Hold {
  since = 0;
  readonly evict: () => void;
  readonly #shared: Shared;
  #bytes = 0;
  #isHeld = true;

  constructor(shared: Shared, evict: () => void) {
    this.#shared = shared;
    this.evict = evict;
    this.stand();
  }

  take(bytes: number): boolean {
    const shared = this.#shared;
    const most = this.#bytes + bytes > SMALL_BYTES ? shared.mostBytes * LARGE_SHARE : shared.mostBytes;
    // A single hold may exceed its share while no other hold exists.
    while (this.#isHeld && shared.total + bytes > most && shared.total > this.#bytes) {
      if (!evictFirst(shared, EVICTABLE_MS)) return false;
    }
    this.give(-bytes);
    return this.#isHeld;
  }

  give(bytes: number): void {
    if (!this.#isHeld) return;
    this.#bytes -= bytes;
    this.#shared.total -= bytes;
  }

  stand(): void {
    if (!this.#isHeld) return;
    const { standing, clock } = this.#shared;
    this.since = clock.monotonic();
    standing.delete(this);
    standing.add(this);
    this.#shared.watch();
  }

  rest(): void {
    this.#shared.standing.delete(this);
  }

  release(): void {
    this.rest();
    this.give(this.#bytes);
    this.#isHeld = false;
  }
}

export function createByteBudget({ clock, mostBytes, stillMs, closing }: ByteBudgetOptions): ByteBudget {
  const standing = new Set<BudgetHold>();
  let isSweeping = false;
  const sweep = async () => {
    for (let [first] = standing; first !== undefined && !closing.aborted; [first] = standing) {
      const left = first.since + stillMs - clock.monotonic();
      await clock.sleep(Math.max(SWEEP_MS, left), closing);
      while (evictFirst(shared, stillMs)) continue;
    }
    isSweeping = false;
  };
  const shared: Shared = {
    clock,
    mostBytes,
    standing,
    total: 0,
    watch() {
      if (isSweeping) return;
      isSweeping = true;
      void sweep();
    },
  };
  return {
    held: () => shared.total,
    hold: (evict) => new BudgetHold(shared, evict),
  };
}
