import type { KeptAttempt } from "./kept-attempts.ts";

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

/** Most characters of the attempts with their contents that wait to be stored: later ones displace earlier ones. */
const MOST_WAITING = 1_000_000;

/** Attempts to store. */
export interface UnsavedAttempts {
  readonly list: readonly AttemptRecord[];
  /** Those with their contents that were added since the last call, in order of time. */
  readonly kept: readonly KeptAttempt[];
  /** Call it when they are stored; until then they count as unsaved. */
  acknowledge(): void;
}

/** The latest attempts, bounded. */
export interface Attempts {
  /** `contents`: called where the subscription keeps attempts with their contents. */
  add(attempt: AttemptRecord, contents: () => KeptAttempt): void;
  /** When the last request was sent, in milliseconds since 1970; null: unknown. */
  lastSentMs(): number | null;
  /** Whether attempts were added that are not known to be stored. */
  hasUnsaved(): boolean;
  /** All attempts in order of time; null when they are stored. */
  unsaved(): UnsavedAttempts | null;
}

/** Attempts with their contents that wait to be stored, bounded. A write that fails loses them. */
function createWaiting(keep: number) {
  let waiting: KeptAttempt[] = [];
  let characters = 0;
  const sizeOf = ({ body, answer }: KeptAttempt) => (body?.length ?? 0) + (answer?.length ?? 0);
  return {
    add(attempt: KeptAttempt) {
      waiting.push(attempt);
      characters += sizeOf(attempt);
      while (waiting.length > 2 * keep || characters > MOST_WAITING) {
        // Successes leave room for failures, which are rare and matter more.
        const success = waiting.findIndex(({ error }) => error === null);
        const [dropped] = waiting.splice(Math.max(0, success), 1);
        if (dropped === undefined) return;
        characters -= sizeOf(dropped);
      }
    },
    take() {
      const taken = waiting;
      waiting = [];
      characters = 0;
      return taken;
    },
  };
}

/** `keep`: attempts of each outcome that are kept with their contents. */
export function createAttempts(earlier: readonly AttemptRecord[], keep: number): Attempts {
  const waiting = createWaiting(keep);
  const acknowledged = earlier.filter(({ error }) => error === null);
  const failed = earlier.filter(({ error }) => error !== null);
  let added = 0;
  let stored = 0;
  return {
    add(attempt, contents) {
      if (keep > 0) waiting.add(contents());
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
        kept: waiting.take(),
        acknowledge() {
          stored = upTo;
        },
      };
    },
  };
}
