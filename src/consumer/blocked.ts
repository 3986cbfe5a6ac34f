import type { ConsumerDeps } from "./deps.ts";
import { type HandlerFailure, failedAgain } from "./failure.ts";
import type { SubjectCursor } from "./store.ts";

/** A subject that goes no further for now. */
export interface BlockedSubject {
  readonly subject: string;
  /** Versions of the last event that was handled, and of the last that is known. */
  readonly version: number;
  readonly known: number;
  /** Null while it only lacks events that are about to be pulled. */
  readonly failure: HandlerFailure | null;
  /** When it is tried again; RFC 3339. */
  readonly retryAt: string;
}

export interface BackoffOptions {
  /** Wait before the second attempt in milliseconds; each further one is twice as long, up to `maxDelayMs`. */
  readonly delayMs: number;
  readonly maxDelayMs: number;
}

interface Entry {
  readonly cursor: SubjectCursor;
  readonly failure: HandlerFailure | null;
  /** By the monotonic clock. */
  readonly dueMs: number;
}

/** Blocked subjects as they are reported to the server. Subjects that only lack events about to be pulled do not count. */
export interface BlockedSummary {
  readonly count: number;
  readonly last: { readonly subject: string; readonly failure: HandlerFailure } | null;
}

const NOTHING_BLOCKED: BlockedSummary = { count: 0, last: null };

/** Which subjects are blocked, and when they are tried again. The store has them as well. */
export interface Blocked {
  has(subject: string): boolean;
  list(): BlockedSubject[];
  /** How many subjects could not be handled, and the one that failed last for the first time; the same object until it changes. */
  summary(): BlockedSummary;
  /** Takes note of cursors as they are kept now. */
  learn(cursors: Iterable<SubjectCursor>): void;
  /** Subjects whose time has come. */
  due(): string[];
  /** Resolves when a subject may be due, or the signal aborts. */
  wait(signal: AbortSignal): Promise<void>;
}

/** Waits that are longer are looked at again after this. */
const LONGEST_WAIT_MS = 60_000;

/** Longest wait after a failure that no handler caused: the server, the network or the store may be back at any time. */
const LONGEST_OUTAGE_WAIT_MS = 10_000;

/** The waits after failures that no handler caused. */
export function outageBackoff({ delayMs, maxDelayMs }: BackoffOptions): BackoffOptions {
  return { delayMs, maxDelayMs: Math.min(maxDelayMs, LONGEST_OUTAGE_WAIT_MS) };
}

export function backoffMs(
  { delayMs, maxDelayMs }: BackoffOptions,
  attempts: number,
  random: () => number,
): number {
  const delay = Math.min(maxDelayMs, delayMs * 2 ** Math.min(30, attempts - 1));
  return delay / 2 + (delay / 2) * random();
}

export function createBlocked<Tx>({ clock, random }: ConsumerDeps<Tx>, backoff: BackoffOptions): Blocked {
  const entries = new Map<string, Entry>();
  /** Null: something changed since. */
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
        // Another event that is lacking is no reason to try earlier, or later.
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

/** What is behind, and why; null when it only lacks events. */
export interface Behind {
  readonly known: number;
  readonly error: unknown;
}

/** The cursor of a subject that has not got as far as it is known to go; null when it has, after all. */
export function blockedCursor(
  cursor: SubjectCursor,
  { known, error }: Behind,
  now: number,
): SubjectCursor | null {
  if (cursor.version >= known || cursor.status === "released") return null;
  const failure = error === null ? cursor.failure : JSON.stringify(failedAgain(cursor.failure, error, now));
  return { ...cursor, known: Math.max(cursor.known, known), status: "blocked", failure };
}
