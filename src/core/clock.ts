/** Time as a parameter: the real clock in the roots, a simulated one in tests. */
export interface Clock {
  /**
   * The wall clock, in milliseconds since 1970, for times that are stored, shown or signed. It may be corrected at
   * any moment, by hours and in either direction, so a difference of two readings is not a duration.
   */
  now(): number;
  /**
   * Milliseconds since an arbitrary moment; never corrected. For durations and deadlines within one thread: each
   * thread counts from its own moment.
   */
  monotonic(): number;
  /** Resolves after `ms`, or at once when the signal aborts; never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Resolves after all tasks that are ready to run have run. */
  yield(): Promise<void>;
}

/**
 * A clock whose `now` starts at `startMs` (whole milliseconds) and advances evenly, even while the wall clock is
 * corrected. For times that are both stored and waited for.
 */
export function steadyClock(clock: Clock, startMs: number): Clock {
  const madeMs = clock.monotonic();
  return { ...clock, now: () => startMs + Math.floor(clock.monotonic() - madeMs) };
}
