import { createBlocked } from "./blocked.ts";
import { type DeliverDeps, retryBlocked } from "./deliver.ts";
import type { ConsumerDeps } from "./deps.ts";
import type { EngineParts } from "./engine-parts.ts";
import type { Engine, EngineOptions } from "./engine-types.ts";
import { ensure } from "./ensure.ts";
import { every } from "./every.ts";
import { createFeedProgress } from "./feed-progress.ts";
import { followFeed } from "./follow-feed.ts";
import { createHealth } from "./health.ts";
import { createInbox } from "./inbox.ts";
import { persist } from "./persist.ts";
import { createPulls } from "./pull.ts";
import { receiveEvents } from "./receive-events.ts";
import { createPositionReports } from "./report.ts";
import { createRetirement } from "./retired.ts";
import { createSettle } from "./settle.ts";
import { walkFeed } from "./walk-feed.ts";

/** Creates the consumer of one feed from its parts. */
export function createEngine<Tx>(consumerDeps: ConsumerDeps<Tx>, options: EngineOptions): Engine {
  const { clock, counts, report } = consumerDeps;
  const blocked = createBlocked(consumerDeps, options.backoff);
  const reports = createPositionReports(consumerDeps);
  const retirement = createRetirement(consumerDeps.log, report);
  const health = createHealth(retirement);
  const progress = createFeedProgress(consumerDeps, { from: options.from, blocked, health });
  const pulls = createPulls(consumerDeps, {
    since: () => progress.since(),
    onPulled: (cursor) => blocked.learn([cursor]),
  });
  const deps: DeliverDeps<Tx> = { ...consumerDeps, blocked, pulls };
  const settle = createSettle(deps, { progress, reports, health });
  const parts: EngineParts<Tx> = { deps, options, progress, health, retirement, settle };
  const inbox = createInbox((events) => receiveEvents(parts, events));

  const reportPosition = async (): Promise<void> => {
    try {
      if (progress.current === null || retirement.error !== null) return;
      await reports.report(progress.current.mark.position, blocked.summary());
    } catch (error) {
      if (!retirement.note(error)) report(error);
    }
  };

  const engine: Engine = {
    counts,
    blocked,
    phase: () => health.phase,
    position: () => progress.current?.mark.position ?? null,
    since: () => progress.since().position,
    committed: () => reports.committed,
    error: () => health.error,
    prepare: async () => void (await progress.prepared()),
    async run(stopping) {
      const { reconstituteEveryMs } = options;
      const signal = AbortSignal.any([stopping, retirement.signal]);
      const retrying = async () => {
        await progress.prepared();
        await retryBlocked(deps, signal);
      };
      const reconstituting = async () => {
        try {
          options.onReconstituted(await engine.reconstitute({}, signal));
        } catch (error) {
          if (!signal.aborted && !retirement.note(error)) report(error);
        }
      };
      await Promise.all([
        persist(parts, signal, () => followFeed(parts, signal)),
        persist(parts, signal, retrying),
        every(clock, options.commitIntervalMs, signal, reportPosition),
        ...(reconstituteEveryMs === null ? [] : [every(clock, reconstituteEveryMs, signal, reconstituting)]),
      ]);
      health.enter("idle");
      await reportPosition();
    },
    noteOutage: (error) => health.fail(error),
    receive: (events) => inbox.put(events),
    async pull(subject) {
      await progress.prepared();
      return retirement.watch(pulls.toNow(subject, "since"));
    },
    async ensure(subject, need) {
      await progress.prepared();
      return retirement.watch(ensure(deps, subject, need));
    },
    reconstitute: (how, signal) => retirement.watch(walkFeed(parts, how, signal)),
  };
  return engine;
}
