import { backoffMs, createBlocked, outageBackoff } from "./blocked.ts";
import { deliver, type DeliverDeps, noteFailure, retryBlocked } from "./deliver.ts";
import type { ConsumerDeps } from "./deps.ts";
import type { Engine, EngineOptions, Phase } from "./engine-types.ts";
import { ensure } from "./ensure.ts";
import { every } from "./every.ts";
import { KildeError } from "../client/index.ts";
import { errorText } from "../core/error-text.ts";
import { type FeedPosition, readFeedPosition } from "./feed-position.ts";
import { heldEvents } from "./history.ts";
import { createInbox, type Inbox } from "./inbox.ts";
import { eachOf } from "./limited.ts";
import { createPulls } from "./pull.ts";
import { reconstitute } from "./reconstitute.ts";
import { createPositionReports } from "./report.ts";
import { LogRestoredError, rollBack } from "./restore.ts";
import { createRetirement } from "./retired.ts";
import { batches } from "./transport.ts";
import type { ConsumerEvent } from "./types.ts";

const PAGE_OF_BLOCKED = 1_000;

/** Subjects that are read again concurrently after a restore of the server. */
const PULLS_AFTER_RESET = 4;

/** Creates the consumer of one feed from its parts. */
export function createEngine<Tx>(deps: ConsumerDeps<Tx>, options: EngineOptions): Engine {
  const { store, key, clock, counts, history } = deps;
  const { transport, batchEvents } = options;
  const onError = deps.report;
  const blocked = createBlocked(deps, options.backoff);
  const reports = createPositionReports(deps);
  let feed: FeedPosition | null = null;
  let preparing: Promise<FeedPosition> | null = null;
  let phase: Phase = "idle";
  let failure: Error | null = null;
  let halted: LogRestoredError | null = null;
  const retirement = createRetirement(deps.log, onError);
  let rollingBack: Promise<readonly string[]> | null = null;
  const since = () => ({ position: feed?.since ?? 0, identity: feed?.identity ?? null });
  const pulls = createPulls(deps, { since, onPulled: (cursor) => blocked.learn([cursor]) });
  const all: DeliverDeps<Tx> = { ...deps, blocked, pulls };

  const prepare = async (): Promise<FeedPosition> => {
    await store.prepare();
    for (let after = ""; ;) {
      const page = await store.listSubjects(key, { status: "blocked" }, after, PAGE_OF_BLOCKED);
      blocked.learn(page);
      after = page.at(-1)?.subject ?? "";
      if (page.length < PAGE_OF_BLOCKED) break;
    }
    return readFeedPosition(deps, options.from);
  };
  const prepared = async (): Promise<FeedPosition> => {
    if (halted !== null) throw halted;
    preparing ??= prepare();
    try {
      feed ??= await preparing;
      return feed;
    } catch (error) {
      preparing = null;
      throw error;
    }
  };

  /** Adjusts the store to the current history of the feed. Returns the subjects to read again. */
  const adoptHistory = async (): Promise<readonly string[]> => {
    const { since: began, mark, identity } = await prepared();
    const kept = { since: began, position: mark.position, identity, reconstitution: null };
    try {
      const rolledBack = await rollBack(deps, history, (await store.readFeed(key)) ?? kept);
      feed = rolledBack.feed;
      reports.forget();
      return rolledBack.reset;
    } catch (error) {
      if (error instanceof LogRestoredError) halted = error;
      throw error;
    }
  };

  /** Resolves with the position once the store agrees with the histories of some events or cursors. */
  const settled = async (identities: Iterable<string | undefined>): Promise<FeedPosition> => {
    let at = await prepared();
    for (const identity of identities) {
      if (identity !== undefined && history.holds(identity, 0) === null) await history.learn(identity);
    }
    while (history.current !== null && history.current !== at.identity) {
      rollingBack ??= adoptHistory().finally(() => (rollingBack = null));
      const reset = await rollingBack;
      at = await prepared();
      // After a failure the subject stays blocked and is retried.
      await eachOf(reset, PULLS_AFTER_RESET, (subject) =>
        pulls.toNow(subject).then(
          () => {},
          (error: unknown) => noteFailure(all, subject, error),
        ),
      );
    }
    return at;
  };

  /**
   * Handles events that follow the position, all at once or in parts. False: the feed was restored, and the events no
   * longer follow.
   */
  const deliverInOrder = async (events: readonly ConsumerEvent[]): Promise<boolean> => {
    const before = (await prepared()).mark.position;
    const { mark, identity } = await settled(events.map(({ logIdentity }) => logIdentity));
    if (mark.position < before || (await heldEvents(history, events)).length < events.length) return false;
    for (let start = 0; start < events.length; start += batchEvents) {
      const batch = events.slice(start, start + batchEvents);
      const position = batch.at(-1)?.position ?? mark.position;
      await deliver(all, batch, { position, identity });
      mark.reach(position);
    }
    return true;
  };

  const inbox: Inbox = createInbox(async (events) => {
    const { mark, identity } = await settled(events.map(({ logIdentity }) => logIdentity));
    for (let start = 0; start < events.length; start += batchEvents) {
      const batch = events.slice(start, start + batchEvents);
      await deliver(all, batch, null);
      const held = await heldEvents(history, batch);
      if (transport === "push") mark.came(held.map(({ position }) => position));
    }
    if (transport === "push") {
      await store.transact((tx) => store.saveFeed(tx, key, { position: mark.position, identity }));
    }
  });

  /** Reports once that the consumer cannot continue, and waits for the stop. */
  const halt = async (error: LogRestoredError, signal: AbortSignal): Promise<void> => {
    if (phase !== "halted") onError(error);
    phase = "halted";
    failure = error;
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
  };

  /** Repeats work until the signal aborts, with growing delays while it fails. */
  const persist = async (signal: AbortSignal, work: () => Promise<void>): Promise<void> => {
    for (let failures = 0; !signal.aborted;) {
      try {
        await work();
        return;
      } catch (error) {
        if (signal.aborted || retirement.note(error)) return;
        if (error instanceof LogRestoredError) {
          await halt(error, signal);
          return;
        }
        // The work succeeded in between, so the delays start again.
        failures = failure === null ? 1 : failures + 1;
        failure = error instanceof Error ? error : new Error(errorText(error), { cause: error });
        onError(error);
        await clock.sleep(backoffMs(outageBackoff(options.backoff), failures, deps.random), signal);
      }
    }
  };

  /** Looks up an identity that an answer calls a former one. Throws the error if the server contradicts itself. */
  const lookUp = async (identity: string | null, error: Error): Promise<void> => {
    if (identity === null) return;
    await history.learn(identity);
    // Happens while only some of the servers are restored: the next attempt follows after a delay.
    if (history.current === identity) throw error;
  };

  /** Follows the feed from a position until the signal aborts, or an answer shows a restore of the feed. */
  const followFrom = async ({ mark, identity }: FeedPosition, signal: AbortSignal): Promise<void> => {
    phase = "catching-up";
    const onLive = () => {
      phase = "live";
      failure = null;
    };
    const moved = new AbortController();
    const watch = {
      onLive,
      /** The feed was restored while it sent no events. */
      onLog(now: string) {
        // The server answers again.
        failure = null;
        if (identity !== null && now !== identity) moved.abort();
      },
    };
    const until = AbortSignal.any([signal, moved.signal]);
    const cursor = { position: mark.position, identity };
    for await (const events of batches(deps, cursor, transport, watch, until)) {
      failure = null;
      if (!(await deliverInOrder(events))) return;
    }
    if (moved.signal.aborted && !signal.aborted) {
      await lookUp(identity, new Error("Answers of the server name different histories of the feed"));
    }
  };

  const follow = async (signal: AbortSignal): Promise<void> => {
    do {
      const from = await prepared();
      try {
        await followFrom(from, signal);
      } catch (error) {
        if (!(error instanceof KildeError) || error.code !== "log-restored") throw error;
        await lookUp(from.identity, error);
      }
      if (!signal.aborted) await settled([]);
    } while (!signal.aborted && transport !== "push");
  };

  const commitNow = async (): Promise<void> => {
    try {
      if (feed === null || retirement.error !== null) return;
      await reports.report(feed.mark.position, blocked.summary());
    } catch (error) {
      if (!retirement.note(error)) onError(error);
    }
  };

  const walk: Engine["reconstitute"] = async (how, signal) => {
    const before = (await prepared()).mark.position;
    const readHistory = () => deps.client.history(deps.log === null ? {} : { feed: deps.log });
    const first = await readHistory();
    if (first.identity !== null) history.note(first.identity);
    const { mark, identity } = await settled([]);
    let looked: number | null = first.head;
    const readHead = async () => {
      const head = looked ?? (await readHistory()).head;
      looked = null;
      return head;
    };
    const awaitedAfter = () => (phase === "idle" || transport === "push" ? null : mark.position);
    const began = () => since().position;
    const handledTo = Math.min(before, mark.position);
    const walking = { ...all, since: began, awaitedAfter, identity, readHead, handledTo };
    const found = await reconstitute(walking, how, signal).catch((error: unknown) => {
      if (error instanceof LogRestoredError) halted = error;
      throw error;
    });
    if (transport === "push") {
      mark.reach(found.head);
      await store.transact((tx) => store.saveFeed(tx, key, { position: mark.position, identity }));
    }
    return found;
  };

  const engine: Engine = {
    counts,
    blocked,
    phase: () => (halted === null && retirement.error === null ? phase : "halted"),
    position: () => feed?.mark.position ?? null,
    since: () => since().position,
    committed: () => reports.committed,
    error: () => halted ?? retirement.error ?? failure,
    prepare: async () => void (await prepared()),
    async run(stopping) {
      const { reconstituteEveryMs } = options;
      const signal = AbortSignal.any([stopping, retirement.signal]);
      const retrying = async () => {
        await prepared();
        await retryBlocked(all, signal);
      };
      const reconstituting = async () => {
        try {
          options.onReconstituted(await engine.reconstitute({}, signal));
        } catch (error) {
          if (!signal.aborted && !retirement.note(error)) onError(error);
        }
      };
      await Promise.all([
        persist(signal, () => follow(signal)),
        persist(signal, retrying),
        every(clock, options.commitIntervalMs, signal, commitNow),
        ...(reconstituteEveryMs === null ? [] : [every(clock, reconstituteEveryMs, signal, reconstituting)]),
      ]);
      phase = "idle";
      await commitNow();
    },
    noteOutage(error) {
      failure = error instanceof Error ? error : new Error(errorText(error), { cause: error });
    },
    receive: (events) => inbox.put(events),
    async pull(subject) {
      await prepared();
      return retirement.watch(pulls.toNow(subject, "since"));
    },
    async ensure(subject, need) {
      await prepared();
      return retirement.watch(ensure(all, subject, need));
    },
    reconstitute: (how, signal) => retirement.watch(walk(how, signal)),
  };
  return engine;
}
