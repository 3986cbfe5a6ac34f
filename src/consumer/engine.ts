import { type BackoffOptions, backoffMs, type Blocked, createBlocked } from "./blocked.ts";
import { type Counts, noCounts } from "./counts.ts";
import { deliver, type DeliverDeps, retryBlocked } from "./deliver.ts";
import type { ConsumerDeps } from "./deps.ts";
import { type EnsuredSubject, ensure, type Need } from "./ensure.ts";
import { type Beginning, type FeedPosition, readFeedPosition } from "./feed-position.ts";
import { createInbox, type Inbox } from "./inbox.ts";
import { createPulls } from "./pull.ts";
import { type Reconstitution, type ReconstituteOptions, reconstitute } from "./reconstitute.ts";
import { createPositionReports } from "./report.ts";
import type { SubjectCursor } from "./store.ts";
import { batches, type Transport } from "./transport.ts";
import type { ConsumerEvent } from "./types.ts";

export interface EngineOptions {
  readonly transport: Transport;
  readonly from: Beginning;
  readonly backoff: BackoffOptions;
  /** Most events of one transaction. */
  readonly batchEvents: number;
  /** How often the server is told the position, in milliseconds. */
  readonly commitIntervalMs: number;
  /** How often to reconstitute, in milliseconds; null: by hand only. */
  readonly reconstituteEveryMs: number | null;
  readonly onError: (error: unknown) => void;
  readonly onReconstituted: (found: Reconstitution) => void;
}

/** `idle`: it was not started; `catching-up`: there is more to read; `live`: it has what there is. */
export type Phase = "idle" | "catching-up" | "live";

/** The consumer of one feed. */
export interface Engine {
  readonly counts: Counts;
  readonly blocked: Blocked;
  phase(): Phase;
  position(): number | null;
  committed(): number | null;
  /** What keeps it from going on; null: nothing. */
  error(): Error | null;
  prepare(): Promise<void>;
  run(signal: AbortSignal): Promise<void>;
  receive(events: readonly ConsumerEvent[]): Promise<void>;
  /** Handles what a subject lacks as of now. */
  pull(subject: string): Promise<SubjectCursor | null>;
  ensure(subject: string, need: Need): Promise<EnsuredSubject | null>;
  reconstitute(options: ReconstituteOptions, signal: AbortSignal): Promise<Reconstitution>;
}

const PAGE_OF_BLOCKED = 1_000;

/** Puts together what follows one feed. */
export function createEngine<Tx>(deps: ConsumerDeps<Tx>, options: EngineOptions): Engine {
  const { store, key, clock } = deps;
  const { transport, batchEvents, onError } = options;
  const counts = noCounts();
  const blocked = createBlocked(deps, options.backoff);
  const reports = createPositionReports(deps);
  let feed: FeedPosition | null = null;
  let preparing: Promise<FeedPosition> | null = null;
  let phase: Phase = "idle";
  let failure: Error | null = null;
  const since = () => feed?.since ?? 0;
  const pulls = createPulls(deps, counts, { since, onPulled: (cursor) => blocked.learn([cursor]) });
  const all: DeliverDeps<Tx> = { ...deps, counts, blocked, pulls };

  const prepare = async (): Promise<FeedPosition> => {
    await store.prepare();
    for (let after = ""; ;) {
      const page = await store.listSubjects(key, "blocked", after, PAGE_OF_BLOCKED);
      blocked.learn(page);
      after = page.at(-1)?.subject ?? "";
      if (page.length < PAGE_OF_BLOCKED) break;
    }
    return readFeedPosition(deps, options.from);
  };
  const prepared = async (): Promise<FeedPosition> => {
    preparing ??= prepare();
    try {
      feed = await preparing;
      return feed;
    } catch (error) {
      preparing = null;
      throw error;
    }
  };

  /** Handles events that follow on the position, all of them or a part at a time. */
  const deliverInOrder = async (events: readonly ConsumerEvent[], { mark }: FeedPosition): Promise<void> => {
    for (let start = 0; start < events.length; start += batchEvents) {
      const batch = events.slice(start, start + batchEvents);
      const position = batch.at(-1)?.position ?? mark.position;
      await deliver(all, batch, { position });
      mark.reach(position);
    }
  };

  const inbox: Inbox = createInbox(async (events) => {
    const { mark } = await prepared();
    for (let start = 0; start < events.length; start += batchEvents) {
      const batch = events.slice(start, start + batchEvents);
      await deliver(all, batch, null);
      if (transport === "push") mark.came(batch.map(({ position }) => position));
    }
    if (transport === "push") {
      await store.transact((tx) => store.saveFeed(tx, key, { position: mark.position }));
    }
  });

  /** Does something over and over, with growing waits while it fails. */
  const persist = async (signal: AbortSignal, work: () => Promise<void>): Promise<void> => {
    for (let failures = 0; !signal.aborted;) {
      try {
        await work();
        return;
      } catch (error) {
        if (signal.aborted) return;
        // It went well in between: the waits begin anew.
        failures = failure === null ? 1 : failures + 1;
        failure = error instanceof Error ? error : new Error(String(error), { cause: error });
        onError(error);
        await clock.sleep(backoffMs(options.backoff, failures, deps.random), signal);
      }
    }
  };

  const follow = async (signal: AbortSignal): Promise<void> => {
    const at = await prepared();
    phase = "catching-up";
    const onLive = () => {
      phase = "live";
      failure = null;
    };
    for await (const events of batches(deps, at.mark.position, transport, onLive, signal)) {
      failure = null;
      await deliverInOrder(events, at);
    }
  };

  const commitNow = async (): Promise<void> => {
    try {
      if (feed !== null) await reports.report(feed.mark.position);
    } catch (error) {
      onError(error);
    }
  };

  const every = async (ms: number, signal: AbortSignal, work: () => Promise<void>): Promise<void> => {
    while (!signal.aborted) {
      await clock.sleep(ms, signal);
      if (!signal.aborted) await work();
    }
  };

  const engine: Engine = {
    counts,
    blocked,
    phase: () => phase,
    position: () => feed?.mark.position ?? null,
    committed: () => reports.committed,
    error: () => failure,
    prepare: async () => void (await prepared()),
    async run(signal) {
      const { reconstituteEveryMs } = options;
      const retrying = async () => {
        await prepared();
        await retryBlocked(all, signal);
      };
      const reconstituting = async () => {
        try {
          options.onReconstituted(await engine.reconstitute({}, signal));
        } catch (error) {
          if (!signal.aborted) onError(error);
        }
      };
      await Promise.all([
        persist(signal, () => follow(signal)),
        persist(signal, retrying),
        every(options.commitIntervalMs, signal, commitNow),
        ...(reconstituteEveryMs === null ? [] : [every(reconstituteEveryMs, signal, reconstituting)]),
      ]);
      phase = "idle";
      await commitNow();
    },
    receive: (events) => inbox.put(events),
    async pull(subject) {
      await prepared();
      return pulls.toNow(subject, "whole");
    },
    async ensure(subject, need) {
      await prepared();
      return ensure(all, subject, need);
    },
    async reconstitute(how, signal) {
      const { mark } = await prepared();
      const awaitedAfter = () => (phase === "idle" || transport === "push" ? null : mark.position);
      const found = await reconstitute({ ...all, since, awaitedAfter }, how, signal);
      if (transport === "push") {
        mark.reach(found.head);
        await store.transact((tx) => store.saveFeed(tx, key, { position: mark.position }));
      }
      return found;
    },
  };
  return engine;
}
