import type { Settings } from "../config/settings.ts";
import { openFeeds } from "../feed/feeds.ts";
import { EVENT_LOG_ADDRESS } from "../log/keys.ts";
import { migrate } from "../log/migrate.ts";
import { openDatabase } from "../log/open.ts";
import { openLogReader } from "../log/reader.ts";
import { createSightings } from "../log/sightings.ts";
import { type LogNews, openLogWriter } from "../log/writer.ts";
import { configuredFeeds } from "./configured-feeds.ts";
import { writeFromThread } from "./database.ts";
import { logFeedEvent } from "./feed-events.ts";
import { startDelivering } from "./delivering.ts";
import { logDeliveryEvent } from "./delivery-events.ts";
import { createDeliveryPort } from "./delivery-port.ts";
import { listen } from "./listen.ts";
import type { ServerLog } from "./logger.ts";
import { startProjecting } from "./projecting.ts";
import { systemClock } from "./system-clock.ts";

/** A server that runs in this process. */
export interface RunningServer {
  readonly port: number;
  /** Takes no more requests, answers those it has, commits, and closes the database. */
  close(): Promise<void>;
}

export interface StartOptions {
  readonly settings: Settings;
  readonly version: string;
  readonly log: ServerLog;
}

/** Starts serving on the database that the settings name, bringing its schema up to date first. */
export async function startServer({ settings, version, log }: StartOptions): Promise<RunningServer> {
  const { databaseUrl: url, databaseAuthToken: authToken, limits, pollIntervalMs } = settings;
  const local = openDatabase({ url, authToken });
  const opened: (() => Promise<void> | void)[] = [];
  const close = async () => {
    for (const closeOne of opened.toReversed()) await closeOne();
  };
  try {
    opened.push(() => local.close());
    await migrate(local);
    const storage = writeFromThread(local, { url });
    opened.splice(0, 1, () => storage.close());
    const { database } = storage;
    const reader = openLogReader({ database, clock: systemClock, limits, pollIntervalMs }, EVENT_LOG_ADDRESS);
    opened.push(() => reader.close());
    const { registered, retired } = await configuredFeeds(database, settings.feeds, limits);
    for (const path of retired) {
      log.logger.warn({ feed: path }, "feed was retired, and can be removed from the configuration");
    }
    let tell = (_news: LogNews) => {};
    let deliverNews = (_path: string, _head: number) => {};
    const writer = openLogWriter({
      database,
      clock: systemClock,
      limits,
      onNews(news) {
        reader.learn(news);
        tell(news);
      },
    });
    opened.push(() => writer.close());
    const sightings = createSightings({ writer, clock: systemClock, mostConsumers: limits.consumers });
    opened.push(() => sightings.close());
    const feeds = openFeeds({ database, writer, clock: systemClock, limits, pollIntervalMs }, registered);
    opened.push(() => feeds.close());
    const projecting = startProjecting(
      {
        url,
        database,
        writer,
        connect: storage.connect,
        limits,
        pollIntervalMs,
        configFile: settings.configFile,
        onNews(path, head) {
          feeds.learn(path, head);
          deliverNews(path, head);
        },
        onEvent: (event) => logFeedEvent(log.logger, event),
      },
      registered,
    );
    opened.push(() => projecting.close());
    tell = (news) => {
      projecting.learn(news);
      if (news !== "truncated") deliverNews(EVENT_LOG_ADDRESS.name, news.head);
    };
    const delivering = startDelivering({
      url,
      database,
      writer,
      connect: storage.connect,
      limits,
      pollIntervalMs,
      egressAllow: settings.egressAllow,
      secretKeys: settings.secretKeys,
      onEvent: (event) => logDeliveryEvent(log.logger, event),
    });
    opened.push(() => delivering.close());
    deliverNews = (path, head) => delivering.learn(path, head);
    const delivery = createDeliveryPort(settings, (subscription) => delivering.changed(subscription));
    opened.push(() => delivery.close());
    const listening = listen({
      reader,
      writer,
      feeds,
      database,
      sightings,
      delivery,
      settings,
      version,
      log,
    });
    opened.push(() => listening.close());
    await storage.opened;
    return { port: listening.port, close };
  } catch (error) {
    await close();
    throw error;
  }
}
