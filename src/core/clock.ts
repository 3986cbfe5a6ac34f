/** Time as a parameter: the real one in the roots, a made one in simulations. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Resolves after `ms`, or at once when the signal aborts; never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Resolves after everything that is ready to run has had its turn. */
  yield(): Promise<void>;
}

/** The same clock, ahead by some milliseconds. */
export function clockAhead(clock: Clock, ms: number): Clock {
  return { ...clock, now: () => clock.now() + ms };
}
