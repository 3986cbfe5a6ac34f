import type { Clock } from "../../core/clock.ts";

/** Waits until something happens or a time has come, whichever is first. */
export interface Alarm {
  /** Something happened. */
  readonly wake: () => void;
  /** Wakes at a time, if it is not to wake before. */
  at(time: number): void;
  /** Begins to listen; what happens from now on ends the next {@link woken}. */
  reset(): void;
  woken(): Promise<void>;
  close(): void;
}

export function createAlarm(clock: Clock): Alarm {
  let happened = Promise.withResolvers<void>();
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
      happened = Promise.withResolvers();
    },
    woken: () => happened.promise,
    close: () => timer.abort(),
  };
}
