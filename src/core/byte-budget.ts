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
  readonly release: () => void;
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

interface Standing {
  bytes: number;
  /** By the monotonic clock. */
  since: number;
  readonly evict: () => void;
}

export function createByteBudget({ clock, mostBytes, stillMs, closing }: ByteBudgetOptions): ByteBudget {
  /** Those that may be evicted, the one that has stood still for the longest first. */
  const standing = new Set<Standing>();
  let total = 0;
  let isSweeping = false;

  /** Evicts the first if it has stood still for so long. */
  const evictFirst = (leastMs: number): boolean => {
    for (const first of standing) {
      if (clock.monotonic() - first.since < leastMs) return false;
      standing.delete(first);
      first.evict();
      return true;
    }
    return false;
  };

  const sweep = async () => {
    for (let [first] = standing; first !== undefined && !closing.aborted; [first] = standing) {
      const left = first.since + stillMs - clock.monotonic();
      await clock.sleep(Math.max(SWEEP_MS, left), closing);
      while (evictFirst(stillMs)) continue;
    }
    isSweeping = false;
  };

  const stand = (own: Standing) => {
    own.since = clock.monotonic();
    standing.delete(own);
    standing.add(own);
    if (isSweeping) return;
    isSweeping = true;
    void sweep();
  };

  return {
    held: () => total,
    hold(evict) {
      const own: Standing = { bytes: 0, since: 0, evict };
      let isHeld = true;
      const give = (bytes: number) => {
        if (!isHeld) return;
        own.bytes -= bytes;
        total -= bytes;
      };
      stand(own);
      return {
        take(bytes) {
          const most = own.bytes + bytes > SMALL_BYTES ? mostBytes * LARGE_SHARE : mostBytes;
          // One hold may have more than its share while it is alone.
          while (isHeld && total + bytes > most && total > own.bytes) {
            if (!evictFirst(EVICTABLE_MS)) return false;
          }
          if (isHeld) give(-bytes);
          return isHeld;
        },
        give,
        stand() {
          if (isHeld) stand(own);
        },
        rest: () => void standing.delete(own),
        release() {
          if (!isHeld) return;
          standing.delete(own);
          give(own.bytes);
          isHeld = false;
        },
      };
    },
  };
}
