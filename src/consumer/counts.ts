/** What a consumer did since it was made. */
export interface Counts {
  /** Events handled, and committed. */
  handled: number;
  /** Events that had been handled before. */
  duplicates: number;
  /** Times that an event showed that others before it are lacking. */
  gaps: number;
  /** Times that a subject was read from the feed. */
  pulls: number;
  /** Attempts of handlers that failed. */
  failures: number;
  /** Subjects that were reset, since the feed was restored and no longer has what was handled. */
  resets: number;
}

export function noCounts(): Counts {
  return { handled: 0, duplicates: 0, gaps: 0, pulls: 0, failures: 0, resets: 0 };
}
