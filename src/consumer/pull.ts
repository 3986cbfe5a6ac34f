import { KildeError } from "../client/index.ts";
import { applyOne } from "./apply.ts";
import type { Counts } from "./counts.ts";
import type { ConsumerDeps } from "./deps.ts";
import type { SubjectCursor } from "./store.ts";
import { consumerEvent } from "./types.ts";

/** Reads a subject from its cursor on, and handles what it lacks. */
export interface Pulls {
  /**
   * Resolves with the subject's cursor when everything is handled that the feed had about it when this was called;
   * null when it has nothing. Whoever asks while a request is under way shares the one after it.
   */
  toNow(subject: string, extent?: Extent): Promise<SubjectCursor | null>;
  /** The same, but a pull that is under way is good enough. */
  some(subject: string, extent?: Extent): Promise<SubjectCursor | null>;
}

/** Where a subject without a cursor is read from: where the consumer began, or the subject's own beginning. */
export type Extent = "since" | "whole";

export interface PullOptions {
  /** Position in the feed after which the consumer began. */
  readonly since: () => number;
  /** Told of each subject that was read to its end. */
  readonly onPulled: (cursor: SubjectCursor) => void;
}

interface Running {
  readonly current: Promise<SubjectCursor | null>;
  next: Promise<SubjectCursor | null> | null;
}

function isUnknown(error: unknown): boolean {
  return (
    error instanceof KildeError && (error.code === "subject-not-found" || error.code === "stream-not-found")
  );
}

async function pull<Tx>(
  deps: ConsumerDeps<Tx>,
  counts: Counts,
  subject: string,
  extent: Extent,
  { since, onPulled }: PullOptions,
): Promise<SubjectCursor | null> {
  const { client, store, key, log } = deps;
  const [kept] = await store.readSubjects(key, [subject]);
  const source = log === null ? { stream: subject } : { feed: log, subject };
  // Also when it was forgotten: what the consumer never handled does not come now.
  const isNew = kept === undefined || (kept.version === 0 && (kept.revised ?? 0) > 0);
  const after =
    isNew && extent === "since" && since() > 0
      ? { lastEventId: since() }
      : { afterVersion: kept?.version ?? 0 };
  counts.pulls += 1;
  let cursor = kept ?? null;
  try {
    for await (const page of client.readPages({ ...source, ...after })) {
      const events = page.map(consumerEvent);
      const { cursors, gaps } = await applyOne(deps, counts, { subject, events, complete: true });
      cursor = cursors.get(subject) ?? cursor;
      // Some of it was erased meanwhile: it is forgotten, and read again from the beginning.
      if (gaps.length > 0) return await pull(deps, counts, subject, extent, { since, onPulled });
    }
  } catch (error) {
    if (!isUnknown(error)) throw error;
  }
  if (cursor !== null) onPulled(cursor);
  return cursor;
}

export function createPulls<Tx>(deps: ConsumerDeps<Tx>, counts: Counts, options: PullOptions): Pulls {
  const running = new Map<string, Running>();

  const start = (subject: string, extent: Extent): Promise<SubjectCursor | null> => {
    const name = nameOf(subject, extent);
    const current = pull(deps, counts, subject, extent, options).finally(() => {
      const entry = running.get(name);
      if (entry?.current === current && entry.next === null) running.delete(name);
    });
    running.set(name, { current, next: null });
    return current;
  };

  return {
    toNow(subject, extent = "since") {
      const entry = running.get(nameOf(subject, extent));
      if (entry === undefined) return start(subject, extent);
      const again = () => start(subject, extent);
      entry.next ??= entry.current.then(again, again);
      return entry.next;
    },
    some: (subject, extent = "since") =>
      running.get(nameOf(subject, extent))?.current ?? start(subject, extent),
  };
}

function nameOf(subject: string, extent: Extent): string {
  return `${extent} ${subject}`;
}
