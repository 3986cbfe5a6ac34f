import type { Settings } from "../../config/settings.ts";
import { systemClock } from "../../core/system-clock.ts";
import type { RegisteredFeed } from "../../feeds/lifecycle/register.ts";
import { logDeliveryEvent } from "../delivery-events.ts";
import { startDeliveries } from "../threads/delivery-runner.ts";
import type { EventLogger } from "../event-logger.ts";
import { logFeedEvent } from "../feed-events.ts";
import { startProjections } from "../threads/projection-runner.ts";
import type { LogWriter } from "../../log/append/writer.ts";
import type { HeadWatch } from "../../log/follow/head-watch.ts";
import { EVENT_LOG_ADDRESS } from "../../log/keys.ts";
import type { LogState } from "../../log/log-state.ts";
import type { Database } from "../../storage/database.ts";
import type { ConnectWriter } from "../../storage/writer/writer-thread-host.ts";
import type { Background } from "../compose.ts";

/** How often the server looks for what a process that ended has left to sweep. */
const SWEEP_LOOK_MS = 10_000;

export interface ServerBackgroundOptions {
  readonly settings: Settings;
  readonly logger: EventLogger;
  readonly database: Database;
  readonly writer: LogWriter;
  readonly heads: HeadWatch;
  readonly registered: readonly RegisteredFeed[];
  /** Whether threads start only when there is something for them to do. */
  readonly lazy: boolean;
  /** Connects a thread that projects with the thread that writes; null: this thread projects. */
  readonly projectingFrom: ConnectWriter | null;
  /** The same for delivering. */
  readonly deliveringFrom: ConnectWriter | null;
  readonly onPublished: (path: string, log: LogState) => void;
}

/** Looks for what is left to sweep until the function that it returns is called. */
function sweepRegularly(writer: LogWriter): () => void {
  const closing = new AbortController();
  const run = async () => {
    for (;;) {
      await systemClock.sleep(SWEEP_LOOK_MS, closing.signal);
      if (closing.signal.aborted) return;
      writer.sweepLeft();
    }
  };
  void run();
  return () => closing.abort();
}

/** Projects, delivers and sweeps beside the requests of a server. */
export function startBackground({
  settings,
  logger,
  database,
  writer,
  heads,
  registered,
  lazy,
  projectingFrom,
  deliveringFrom,
  onPublished,
}: ServerBackgroundOptions): Background {
  const { databaseUrl: url, limits, pollIntervalMs } = settings;
  const shared = { url, database, writer, limits, pollIntervalMs, heads };
  const stopSweeping = sweepRegularly(writer);
  const deliveries = startDeliveries({
    ...shared,
    connect: deliveringFrom,
    egressAllow: settings.egressAllow,
    secretKeys: settings.secretKeys,
    onEvent: (event) => logDeliveryEvent(logger, event),
  });
  const projections = startProjections(
    {
      ...shared,
      connect: projectingFrom,
      configFile: settings.configFile,
      lazy,
      onNews(path, log) {
        onPublished(path, log);
        deliveries.learn(path, log);
      },
      onEvent: (event) => logFeedEvent(logger, event),
    },
    registered,
  );
  return {
    appended(news) {
      projections.learn(news);
      if (news !== "truncated") deliveries.learn(EVENT_LOG_ADDRESS.name, news);
    },
    // The projections of a server look regularly.
    resumed: () => {},
    changed: (subscription) => deliveries.changed(subscription),
    async close() {
      await deliveries.close();
      await projections.close();
      stopSweeping();
    },
  };
}
