import type { Clock } from "../../core/clock.ts";
import { deferred } from "../../core/deferred.ts";

/** Waits for a wake-up or for a time, whichever comes first. */
export interface WakeUp {
  /** Ends the wait. */
  readonly wake: () => void;
  /** Ends the wait at a time, unless it ends earlier. */
  at(time: number): void;
  /** Starts a new wait: wake-ups from now on end the next {@link woken}. */
  reset(): void;
  woken(): Promise<void>;
  close(): void;
}

export function createWakeUp(clock: Clock): WakeUp {
  let happened = deferred<void>();
  let timer = new AbortController();
  let armed = Number.POSITIVE_INFINITY;
  return {
    wake: () => happened.resolve(),
    at(time) {
      if (time >= armed) return;
      timer.abort();
      timer = new AbortController();
      armed = time;
      void clock.sleep(Math.max(0, time - clock.now()), timer.signal).then(() => {
        if (armed !== time) return;
        armed = Number.POSITIVE_INFINITY;
        happened.resolve();
      });
    },
    reset() {
      happened = deferred();
    },
    woken: () => happened.promise,
    close: () => timer.abort(),
  };
}
