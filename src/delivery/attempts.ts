/** An attempt to deliver, as it is shown: no address, no body, no secret. */
export interface Attempt {
  /** When it ended, in milliseconds since 1970. */
  readonly ended: number;
  readonly webhookId: string;
  /** Null for what is not about one subject. */
  readonly subject: string | null;
  /** `status 500`, `timeout`, …; null when it was acknowledged. */
  readonly error: string | null;
  readonly durationMs: number;
}

/** How many of each outcome are kept, so that the many that succeed leave room for the few that fail. */
const KEPT = 25;

/** The latest attempts, bounded. */
export interface Attempts {
  add(attempt: Attempt): void;
  /** Whether there are some that `news` has not given. */
  hasNews(): boolean;
  /** In order of time; null when there is nothing new since it was last asked. */
  news(): readonly Attempt[] | null;
}

export function createAttempts(earlier: readonly Attempt[]): Attempts {
  const acknowledged = earlier.filter(({ error }) => error === null);
  const failed = earlier.filter(({ error }) => error !== null);
  let changed = false;
  return {
    add(attempt) {
      const list = attempt.error === null ? acknowledged : failed;
      list.push(attempt);
      if (list.length > KEPT) list.shift();
      changed = true;
    },
    hasNews: () => changed,
    news() {
      if (!changed) return null;
      changed = false;
      return [...acknowledged, ...failed].toSorted((a, b) => a.ended - b.ended);
    },
  };
}
