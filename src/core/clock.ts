/** Time as a parameter: the real one in the roots, a simulated one in simulations. */
export interface Clock {
  /**
   * The wall clock: milliseconds since 1970. Only for times that are stored, shown or signed. The wall clock may be
   * corrected at any moment, by hours and in either direction, so a difference of two readings is not a duration.
   */
  now(): number;
  /**
   * Milliseconds since an arbitrary moment; never corrected. For durations and deadlines within one thread: another
   * thread counts from another moment.
   */
  monotonic(): number;
  /** Resolves after `ms`, or at once when the signal aborts; never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Resolves after everything that is ready to run has had its turn. */
  yield(): Promise<void>;
}

/**
 * A clock whose `now` shows `startMs` (whole milliseconds) at first and runs evenly from there, also while the wall
 * clock is corrected: for times that are both stored and waited for.
 */
export function steadyClock(clock: Clock, startMs: number): Clock {
  const madeMs = clock.monotonic();
  return { ...clock, now: () => startMs + Math.floor(clock.monotonic() - madeMs) };
}
