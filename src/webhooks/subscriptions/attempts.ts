/** A delivery attempt for display: it contains no address, body or secret. */
export interface AttemptRecord {
  /** When it ended, in milliseconds since 1970. */
  readonly ended: number;
  readonly webhookId: string;
  /** Null for a delivery that is not about one subject. */
  readonly subject: string | null;
  /** `status 500`, `timeout`, …; null when it was acknowledged. */
  readonly error: string | null;
  readonly durationMs: number;
}

/** How many of each outcome are kept, so that the many successes leave room for the few failures. */
const KEPT = 25;

/** Attempts to store. */
export interface UnsavedAttempts {
  readonly list: readonly AttemptRecord[];
  /** Call it when they are stored; until then they count as unsaved. */
  acknowledge(): void;
}

/** The latest attempts, bounded. */
export interface Attempts {
  add(attempt: AttemptRecord): void;
  /** When the last request was sent, in milliseconds since 1970; null: unknown. */
  lastSentMs(): number | null;
  /** Whether attempts were added that are not known to be stored. */
  hasUnsaved(): boolean;
  /** All attempts in order of time; null when they are stored. */
  unsaved(): UnsavedAttempts | null;
}

export function createAttempts(earlier: readonly AttemptRecord[]): Attempts {
  const acknowledged = earlier.filter(({ error }) => error === null);
  const failed = earlier.filter(({ error }) => error !== null);
  let added = 0;
  let stored = 0;
  return {
    add(attempt) {
      const list = attempt.error === null ? acknowledged : failed;
      list.push(attempt);
      if (list.length > KEPT) list.shift();
      added += 1;
    },
    lastSentMs() {
      const all = [...acknowledged, ...failed];
      return all.length === 0 ? null : Math.max(...all.map(({ ended, durationMs }) => ended - durationMs));
    },
    hasUnsaved: () => added > stored,
    unsaved() {
      if (added === stored) return null;
      const upTo = added;
      return {
        list: [...acknowledged, ...failed].toSorted((a, b) => a.ended - b.ended),
        acknowledge() {
          stored = upTo;
        },
      };
    },
  };
}
