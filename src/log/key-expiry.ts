import { type Clock, steadyClock } from "../core/clock.ts";

/**
 * Returns the time before which idempotency keys expire: by the slower of the wall clock and an even one, so that
 * a wall clock that jumps ahead by days makes no key old.
 */
export function keyExpiry(clock: Clock, seconds: number): () => number {
  const steady = steadyClock(clock, clock.now());
  return () => Math.min(clock.now(), steady.now()) - seconds * 1_000;
}
