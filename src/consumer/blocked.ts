import { backoffMs } from "../client/retry.ts";
import type { ConsumerDeps } from "./deps.ts";
import { type HandlerFailure, failedAgain } from "./failure.ts";
import type { SubjectCursor } from "./store.ts";

/** A subject whose events wait for a retry. */
export interface BlockedSubject {
  readonly subject: string;
  /** Versions of the last handled event, and of the last known one. */
  readonly version: number;
  readonly known: number;
  /** Null while the subject only lacks events that are about to be pulled. */
  readonly failure: HandlerFailure | null;
  /** Time of the next attempt; RFC 3339. */
  readonly retryAt: string;
}

export interface BackoffOptions {
  /** Delay before the second attempt in milliseconds; it doubles for each further attempt, up to `maxDelayMs`. */
  readonly delayMs: number;
  readonly maxDelayMs: number;
}

interface Entry {
  readonly cursor: SubjectCursor;
  readonly failure: HandlerFailure | null;
  /** On the monotonic clock. */
  readonly dueMs: number;
}

/** Blocked subjects as reported to the server. Subjects that only lack events about to be pulled do not count. */
export interface BlockedSummary {
  readonly count: number;
  readonly last: { readonly subject: string; readonly failure: HandlerFailure } | null;
}

const NOTHING_BLOCKED: BlockedSummary = { count: 0, last: null };

/** Blocked subjects and their retry times. The store has them as well. */
export interface Blocked {
  has(subject: string): boolean;
  list(): BlockedSubject[];
  /** Number of blocked subjects, and the latest first failure; returns the same object until it changes. */
  summary(): BlockedSummary;
  /** Updates the blocked subjects from saved cursors. */
  learn(cursors: Iterable<SubjectCursor>): void;
  /** Subjects whose retry is due. */
  due(): string[];
  /** Resolves when a subject may be due, or the signal aborts. */
  wait(signal: AbortSignal): Promise<void>;
}

/** A longer wait is split, and checked again after this. */
const LONGEST_WAIT_MS = 60_000;

/** Longest delay after a failure outside of handlers: the server, the network or the store may recover at any time. */
const LONGEST_OUTAGE_WAIT_MS = 10_000;

/** The delays after failures outside of handlers. */
export function outageBackoff({ delayMs, maxDelayMs }: BackoffOptions): BackoffOptions {
  return { delayMs, maxDelayMs: Math.min(maxDelayMs, LONGEST_OUTAGE_WAIT_MS) };
}

export function createBlocked<Tx>({ clock, random }: ConsumerDeps<Tx>, backoff: BackoffOptions): Blocked {
  const entries = new Map<string, Entry>();
  /** Null: outdated. */
  let summary: BlockedSummary | null = NOTHING_BLOCKED;
  let changed = new AbortController();

  const dueAfter = (failure: HandlerFailure | null) => {
    if (failure === null) return clock.monotonic();
    const waits = failure.version === null ? outageBackoff(backoff) : backoff;
    return clock.monotonic() + backoffMs(waits, failure.attempts, random);
  };

  return {
    has: (subject) => entries.has(subject),
    list: () =>
      [...entries.values()].map(({ cursor: { subject, version, known }, failure, dueMs }) => ({
        subject,
        version,
        known,
        failure,
        retryAt: new Date(clock.now() + dueMs - clock.monotonic()).toISOString(),
      })),
    summary() {
      if (summary !== null) return summary;
      let count = 0;
      let last: BlockedSummary["last"] = null;
      for (const { cursor, failure } of entries.values()) {
        if (failure === null) continue;
        count += 1;
        if (last === null || failure.since >= last.failure.since) last = { subject: cursor.subject, failure };
      }
      summary = { count, last };
      return summary;
    },
    learn(cursors) {
      for (const cursor of cursors) {
        if (cursor.status !== "blocked") {
          if (entries.delete(cursor.subject)) summary = null;
          continue;
        }
        const failure = cursor.failure === null ? null : (JSON.parse(cursor.failure) as HandlerFailure);
        const before = entries.get(cursor.subject);
        // A further missing event does not change the retry time.
        const same = before !== undefined && before.failure?.attempts === failure?.attempts;
        summary = null;
        entries.set(cursor.subject, { cursor, failure, dueMs: same ? before.dueMs : dueAfter(failure) });
        changed.abort();
        changed = new AbortController();
      }
    },
    due: () =>
      [...entries].filter(([, entry]) => entry.dueMs <= clock.monotonic()).map(([subject]) => subject),
    async wait(signal) {
      const earliest = [...entries.values()].reduce((least, entry) => Math.min(least, entry.dueMs), Infinity);
      const ms = Math.min(LONGEST_WAIT_MS, earliest - clock.monotonic());
      if (ms > 0) await clock.sleep(ms, AbortSignal.any([signal, changed.signal]));
    },
  };
}

/** The known version of a subject that is behind, and the failure; a null failure means that it only lacks events. */
export interface Behind {
  readonly known: number;
  readonly error: unknown;
}

/** The cursor of a subject that is behind its known version; null when it has caught up. */
export function blockedCursor(
  cursor: SubjectCursor,
  { known, error }: Behind,
  now: number,
): SubjectCursor | null {
  if (cursor.version >= known || cursor.status === "released") return null;
  const failure = error === null ? cursor.failure : JSON.stringify(failedAgain(cursor.failure, error, now));
  return { ...cursor, known: Math.max(cursor.known, known), status: "blocked", failure };
}
