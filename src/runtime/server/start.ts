import type { Settings } from "../../config/settings.ts";
import { openFeeds } from "../../feeds/feeds.ts";
import type { Database } from "../../storage/database.ts";
import { createHeadWatch, IDLE_INTERVAL_MS } from "../../log/follow/head-watch.ts";
import { EVENT_LOG_ADDRESS } from "../../log/keys.ts";
import type { LogState } from "../../log/log-state.ts";
import { migrate } from "../../log/migrate.ts";
import { type DatabaseLocation, openDatabase } from "../../storage/open.ts";
import { openLogReader } from "../../log/read/reader.ts";
import { createActivityRecorder } from "../../log/consumers/activity.ts";
import { type LogNews, openLogWriter } from "../../log/append/writer.ts";
import { boundedFetch } from "./bounded-fetch.ts";
import { warnOfCheckpoints } from "./checkpoints.ts";
import { configuredFeeds } from "../../jobs/configured-feeds.ts";
import { writeFromThread } from "../../storage/writer/threaded-database.ts";
import { startDeliveries } from "../../jobs/delivery-runner.ts";
import { logDeliveryEvent } from "../../jobs/delivery-events.ts";
import { createDeliveryPort } from "./delivery-port.ts";
import { type EventLogger, logFeedEvent } from "../../jobs/feed-events.ts";
import type { Surface, SurfaceParts } from "./listen.ts";
import { startProjections } from "../../jobs/projection-runner.ts";
import { replicaOf, warnOfReplica } from "./replica.ts";
import { systemClock } from "../../core/system-clock.ts";

/**
 * A libSQL server that has not answered by then is asked no more, so that what waits behind goes on. Callers of writes
 * are told earlier: an answer that comes in between says what became of them.
 */
const DATABASE_DEADLINE_MS = 15_000;

export interface StartKildeOptions<Opened extends Surface> {
  readonly settings: Settings;
  readonly logger: EventLogger;
  /** The program of the thread that writes a file; null: this thread writes. Default: the one beside this file. */
  readonly databaseThread?: URL | null;
  /** Whether threads are started only when there is something for them to do. Default: at once. */
  readonly lazy?: boolean;
  /** Opens what others reach it by. */
  readonly open: (parts: SurfaceParts) => Opened;
}

/** Brings the schema up to date; a libSQL server may take as long for it as it needs. */
async function migrateFully(database: Database, location: DatabaseLocation): Promise<void> {
  // One that does not answer is found out here: the patient one would wait for it.
  if (!database.embedded) await database.read({ sql: "select 1", args: [] });
  const patient = database.embedded ? database : openDatabase(location);
  try {
    await migrate(patient);
  } finally {
    if (patient !== database) patient.close();
  }
}

/** How often it is looked whether a process that ended has left something to sweep. */
const SWEEP_LOOK_MS = 10_000;

/** Looks until the function that it gives is called. */
function lookRegularly(look: () => void): () => void {
  const closing = new AbortController();
  const lookOn = async () => {
    for (;;) {
      await systemClock.sleep(SWEEP_LOOK_MS, closing.signal);
      if (closing.signal.aborted) return;
      look();
    }
  };
  void lookOn();
  return () => closing.abort();
}

/** All that a server is, but for how others reach it. */
export async function startKilde<Opened extends Surface>({
  settings,
  logger,
  databaseThread,
  lazy = false,
  open,
}: StartKildeOptions<Opened>): Promise<{ readonly surface: Opened; readonly close: () => Promise<void> }> {
  const { databaseUrl: url, databaseAuthToken: authToken, limits, pollIntervalMs } = settings;
  const fetch = boundedFetch(systemClock, DATABASE_DEADLINE_MS);
  const local = openDatabase({ url, authToken, fetch });
  const opened: (() => Promise<void> | void)[] = [];
  const close = async () => {
    for (const closeOne of opened.toReversed()) await closeOne();
  };
  try {
    opened.push(() => local.close());
    await migrateFully(local, { url, authToken });
    await warnOfCheckpoints(local, logger);
    const storage = writeFromThread(
      local,
      { url },
      {
        program: databaseThread,
        onFailure(err, restartMs) {
          const message =
            restartMs === null
              ? "the thread that writes failed, and nothing can be written"
              : "the thread that writes failed: writes are refused until it is started again";
          logger.error({ err, restartMs }, message);
        },
        onRestart: () => logger.info({}, "the thread that writes was started again"),
      },
    );
    opened.splice(0, 1, () => storage.close());
    const { database } = storage;
    // For all that waits in this thread.
    const heads = createHeadWatch({
      database,
      clock: systemClock,
      pollIntervalMs,
      idleIntervalMs: IDLE_INTERVAL_MS,
    });
    opened.push(() => heads.close());
    const own = { database, clock: systemClock, limits, pollIntervalMs, heads };
    const replica = replicaOf(settings, fetch);
    if (replica !== null) {
      opened.push(() => replica.close());
      void warnOfReplica(replica, database, settings, logger);
    }
    const reader = openLogReader(replica?.reading ?? own, EVENT_LOG_ADDRESS);
    opened.push(() => reader.close());
    const { registered, retired, unconfigured } = await configuredFeeds(database, settings.feeds, limits);
    for (const path of unconfigured) {
      logger.warn(
        { feed: path },
        "the store holds a feed that is not configured: erasures do not reach what it published; configure it, or retire it first",
      );
    }
    for (const path of retired) {
      logger.warn({ feed: path }, "feed was retired, and can be removed from the configuration");
    }
    let tell = (_news: LogNews) => {};
    let deliverNews = (_path: string, _log: LogState) => {};
    const writer = openLogWriter({
      database,
      clock: systemClock,
      limits,
      onNews(news) {
        reader.learn(news);
        tell(news);
      },
      onSweepFailure: ({ attempts }, err) =>
        logger.error({ err, attempts }, "what was erased cannot be removed from storage, and is tried again"),
    });
    opened.push(() => writer.close());
    opened.push(lookRegularly(() => writer.sweepLeft()));
    const sightings = createActivityRecorder({
      writer,
      clock: systemClock,
      mostConsumers: limits.consumers,
      isShared: url !== ":memory:",
    });
    opened.push(() => sightings.close());
    const feeds = openFeeds(
      {
        ...own,
        reading: replica?.reading,
        writer,
        onClearFailure: (err) =>
          logger.error(
            { err },
            "a feed that is retired or built again cannot be emptied, and is tried again",
          ),
      },
      registered,
    );
    opened.push(() => feeds.close());
    const projecting = startProjections(
      {
        url,
        database,
        writer,
        connect: storage.connect,
        limits,
        pollIntervalMs,
        heads,
        configFile: settings.configFile,
        lazy,
        onNews(path, log) {
          feeds.learn(path, log);
          deliverNews(path, log);
        },
        onEvent: (event) => logFeedEvent(logger, event),
      },
      registered,
    );
    opened.push(() => projecting.close());
    tell = (news) => {
      projecting.learn(news);
      if (news !== "truncated") deliverNews(EVENT_LOG_ADDRESS.name, news);
    };
    const delivering = startDeliveries({
      url,
      database,
      writer,
      // Who brings a program for the one thread has none for the other.
      connect: databaseThread === undefined ? storage.connect : null,
      limits,
      pollIntervalMs,
      heads,
      egressAllow: settings.egressAllow,
      secretKeys: settings.secretKeys,
      onEvent: (event) => logDeliveryEvent(logger, event),
    });
    opened.push(() => delivering.close());
    deliverNews = (path, log) => delivering.learn(path, log);
    const delivery = createDeliveryPort(settings, (subscription) => delivering.changed(subscription));
    opened.push(() => delivery.close());
    const surface = open({ reader, writer, feeds, database, sightings, delivery });
    opened.push(() => surface.close());
    await storage.open();
    return { surface, close };
  } catch (error) {
    await close();
    throw error;
  }
}
