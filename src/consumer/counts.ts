/** Counters of a consumer since its creation. */
export interface Counts {
  /** Events handled and committed. */
  handled: number;
  /** Events that arrived again after they were handled. */
  duplicates: number;
  /** Gaps: events that arrived before an earlier event of their subject. */
  gaps: number;
  /** Times that a subject was read from the feed. */
  pulls: number;
  /** Failed attempts of handlers. */
  failures: number;
  /** Subjects that were reset, because the feed was restored and no longer has handled events. */
  resets: number;
}

export function noCounts(): Counts {
  return { handled: 0, duplicates: 0, gaps: 0, pulls: 0, failures: 0, resets: 0 };
}
