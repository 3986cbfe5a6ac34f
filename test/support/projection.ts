import type { Feed } from "../../src/feeds/feed.ts";
import { type Feeds, openFeeds, type OpenFeed } from "../../src/feeds/feeds.ts";
import { takeLease } from "../../src/storage/lease.ts";
import { createProjector, type Projector } from "../../src/feeds/project/projector.ts";
import type { Step } from "../../src/feeds/project/step.ts";
import { type RegisteredFeed, registerFeeds } from "../../src/feeds/lifecycle/register.ts";
import { CLEAR_BACKOFF, clearJob } from "../../src/feeds/lifecycle/clear.ts";
import { startLoop } from "../../src/jobs/loop.ts";
import { type RunEvent, startProjection } from "../../src/feeds/project/run.ts";
import { EVENT_LOG_ADDRESS } from "../../src/log/keys.ts";
import type { Database } from "../../src/storage/database.ts";
import type { LogState } from "../../src/log/log-state.ts";
import { createSourceGroups } from "../../src/feeds/project/source-group.ts";
import { openLogReader, type LogReader } from "../../src/log/read/reader.ts";
import type { LogWriter } from "../../src/log/append/writer.ts";
import type { Clock } from "../../src/core/clock.ts";
import { DEFAULT_LIMITS } from "../../src/core/limits.ts";
import { systemClock } from "../../src/core/system-clock.ts";

export interface ProjectionDeps {
  readonly database: Database;
  readonly writer: LogWriter;
}

const POLL_INTERVAL_MS = 20;

/** Far more than any test has to project. */
const MOST_STEPS = 10_000;

export interface Projection {
  readonly feeds: Feeds & { close(): Promise<void> };
  readonly registered: readonly RegisteredFeed[];
  get(path: string): OpenFeed;
  /** A projector of its own, as a process that just started has it. */
  projector(path: string, batchEvents?: number): Projector;
  /** Steps new projectors of all feeds until nothing is left to do, or they halt. */
  drain(batchEvents?: number): Promise<void>;
  /** Projects as a server does, until it is stopped. */
  run(
    holder: string,
    reader: LogReader,
    clock?: Clock,
  ): { readonly events: readonly RunEvent[]; stop(): Promise<void> };
}

/** The engine of feeds on a database. */
export async function openProjection(
  { database, writer }: ProjectionDeps,
  definitions: readonly Feed[],
): Promise<Projection> {
  const registered = await registerFeeds(database, systemClock, definitions);
  const deps = {
    database,
    writer,
    clock: systemClock,
    limits: DEFAULT_LIMITS,
    pollIntervalMs: POLL_INTERVAL_MS,
    flushActivity: () => Promise.resolve(),
    onPaused: () => {},
  };
  const clear = startLoop(clearJob(deps), {
    clock: systemClock,
    chance: () => 0,
    backoff: CLEAR_BACKOFF,
    onFailure: () => {},
  });
  const opened = openFeeds({ ...deps, onClear: () => clear.wake() }, registered);
  const feeds: Projection["feeds"] = {
    ...opened,
    async close() {
      opened.close();
      await clear.close();
    },
  };
  const onPublished = (path: string, log: LogState) => feeds.notify(path, log);
  const get = (path: string) => {
    const found = feeds.all.find(({ log }) => log.name === path);
    if (found === undefined) throw new Error(`there is no ${path}`);
    return found;
  };
  const projector = (path: string, batchEvents?: number) =>
    createProjector(
      { ...deps, onPublished, ...(batchEvents === undefined ? {} : { batchEvents }) },
      get(path),
    );
  return {
    feeds,
    registered,
    get,
    projector,
    async drain(batchEvents) {
      for (const { log } of registered) {
        const one = projector(log.name, batchEvents);
        let step: Step | null = null;
        let steps = 0;
        let retry = true;
        while (step?.kind !== "caught-up" && step?.kind !== "halted") {
          // Behind whatever is still on its way, which may renew a lease.
          await writer.write([{ sql: "update leases set expires = 0", args: [] }]);
          const lease = await takeLease(writer, log.name, "drain");
          if (lease === null) throw new Error("the lease is not free");
          step = await one.step({ lease, retry, flush: true });
          if (step.kind !== "outdated" && step.kind !== "maintained") retry = false;
          steps += 1;
          if (steps > MOST_STEPS)
            throw new Error(`${log.name} does not come to rest: ${JSON.stringify(step)}`);
          // It is being emptied in the background.
          if (step.kind === "emptied") {
            one.forget();
            await systemClock.sleep(1);
          }
        }
      }
    },
    run(holder, reader, clock = systemClock) {
      const events: RunEvent[] = [];
      const sources = registered.map((feed) => ({
        feed,
        source: feed.source.id === EVENT_LOG_ADDRESS.id ? reader : openLogReader(deps, feed.source),
      }));
      const groups = createSourceGroups(database, clock, registered);
      const running = sources.map(({ feed, source }) =>
        startProjection(
          {
            ...deps,
            clock,
            group: groups.of(feed),
            onPublished,
            holder,
            source,
            chance: () => 0,
            onEvent: (event) => events.push(event),
          },
          feed,
        ),
      );
      return {
        events,
        async stop() {
          await Promise.all(running.map((projection) => projection.close()));
          groups.close();
        },
      };
    },
  };
}
