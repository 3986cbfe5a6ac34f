import type { Clock } from "./clock.ts";

/** Shortest time between two looks for holds that have stood still for too long. */
const SWEEP_MS = 1_000;

/** A hold that stands still for so long is evicted where another needs its bytes. */
const EVICTABLE_MS = 2_000;

/** Holds beyond so many bytes may use this share of a budget only, so that small ones find room. */
const SMALL_BYTES = 64 * 1024;
const LARGE_SHARE = 0.75;

/** Bytes of a budget that are held for one request. */
export interface Hold {
  /** Takes more bytes. False: the budget has no room for them, and nothing was taken. */
  take(bytes: number): boolean;
  /** Gives bytes back. */
  give(bytes: number): void;
  /** Notes that the other side did its part: the time that the hold may stand still begins, or begins again. */
  stand(): void;
  /** The hold waits for nobody until {@link stand} is called again: its bytes are counted, and it is not evicted. */
  rest(): void;
  /** Gives all bytes back, for the last time. May be called more than once. */
  release(): void;
}

/**
 * Bounds the bytes that are held for others, who may never do their part: send the rest of a body, or read an answer.
 * When there is no room, those who have stood still for the longest are evicted first.
 */
export interface ByteBudget {
  /** Begins a hold of no bytes, which stands still from now on. `evict` is called at most once, when it stands still for too long; it must release. */
  hold(evict: () => void): Hold;
  /** Bytes that are held now. */
  readonly held: () => number;
}

export interface ByteBudgetOptions {
  readonly clock: Clock;
  /** Most bytes of all holds together. */
  readonly mostBytes: number;
  /** How long a hold may stand still, in milliseconds. */
  readonly stillMs: number;
  /** Aborts at shutdown, which ends requests by its own deadline: from then on nothing is evicted for its time. */
  readonly closing: AbortSignal;
}

/** What the holds of a budget share. */
interface Shared {
  readonly clock: Clock;
  readonly mostBytes: number;
  /** Those that may be evicted, the one that has stood still for longest first. */
  readonly standing: Set<BudgetHold>;
  total: number;
  /** Looks after those that stand still. */
  watch(): void;
}

/** Evicts the hold that has stood still for longest, if it has for so long; says whether it did. */
function evictFirst({ standing, clock }: Shared, leastMs: number): boolean {
  for (const first of standing) {
    if (clock.monotonic() - first.since < leastMs) return false;
    standing.delete(first);
    first.evict();
    return true;
  }
  return false;
}

/** A class: each request has one, and its methods are shared. */
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
    // One hold may have more than its share while it is alone.
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
