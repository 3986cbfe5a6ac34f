import { OPERATIONS_PATH, type OperationsLog } from "../../administration/operations-log.ts";
import type { Settings } from "../../config/settings.ts";
import type { StoreMeasures } from "../../core/measures.ts";
import { systemClock } from "../../core/system-clock.ts";
import type { RegisteredFeed } from "../../feeds/lifecycle/register.ts";
import { logDeliveryEvent } from "../delivery-events.ts";
import { startDeliveries } from "../threads/delivery-runner.ts";
import type { EventLogger } from "../event-logger.ts";
import { logFeedEvent } from "../feed-events.ts";
import { startProjections } from "../threads/projection-runner.ts";
import type { LogWriter } from "../../log/append/writer.ts";
import { leftoverJob, SWEEP_BACKOFF } from "../../log/erase/sweeper.ts";
import type { HeadWatch } from "../../log/follow/head-watch.ts";
import { EVENT_LOG_ADDRESS } from "../../log/keys.ts";
import type { LogState } from "../../log/log-state.ts";
import type { Database } from "../../storage/database.ts";
import type { ConnectWriter } from "../../storage/writer/writer-connections.ts";
import type { Background } from "../compose.ts";
import { publicLogsOf } from "../public-logs.ts";
import { startServerLoop } from "../server-loop.ts";

export interface ServerBackgroundOptions {
  readonly settings: Settings;
  readonly logger: EventLogger;
  readonly database: Database;
  readonly writer: LogWriter;
  readonly measures: StoreMeasures;
  readonly operations: OperationsLog;
  readonly heads: HeadWatch;
  readonly registered: readonly RegisteredFeed[];
  /** Whether threads start with their first work. */
  readonly lazy: boolean;
  /** Connects a thread that projects to the thread that writes; null: this thread projects. */
  readonly projectingFrom: ConnectWriter | null;
  /** The same for delivering. */
  readonly deliveringFrom: ConnectWriter | null;
  readonly onPublished: (path: string, log: LogState) => void;
}

/** Projects, delivers and sweeps beside the requests of a server. */
export function startBackground({
  settings,
  logger,
  database,
  writer,
  measures,
  operations,
  heads,
  registered,
  lazy,
  projectingFrom,
  deliveringFrom,
  onPublished,
}: ServerBackgroundOptions): Background {
  const { databaseUrl: url, limits, pollIntervalMs } = settings;
  const shared = { url, database, writer, measures, limits, pollIntervalMs, heads };
  const sweep = () => writer.sweep();
  // A look that fails wakes the sweep, whose failure is then reported.
  const leftovers = startServerLoop(leftoverJob(database, systemClock, sweep), SWEEP_BACKOFF, sweep);
  const deliveries = startDeliveries({
    ...shared,
    connect: deliveringFrom,
    egressAllow: settings.egressAllow,
    secretKeys: settings.secretKeys,
    publicLogs: publicLogsOf(registered),
    onEvent: (event) => logDeliveryEvent(logger, event),
  });
  const projections = startProjections(
    {
      ...shared,
      connect: projectingFrom,
      configFile: settings.configFile,
      lazy,
      onPublished(path, log) {
        onPublished(path, log);
        deliveries.notify(path, log);
      },
      onEvent: (event) => logFeedEvent(logger, event),
    },
    registered,
  );
  return {
    appended(notice) {
      projections.notify(notice);
      if (notice !== "truncated") deliveries.notify(EVENT_LOG_ADDRESS.name, notice);
    },
    // The projections of a server look regularly.
    resumed: () => {},
    changed: (subscription) => deliveries.changed(subscription),
    administered() {
      const notify = (log: LogState) => deliveries.notify(OPERATIONS_PATH, log);
      // Dispatchers look regularly, also after a look that failed.
      operations
        .reader()
        .then(async (reader) => notify(await reader.state()))
        .catch(() => {});
    },
    async close() {
      await deliveries.close();
      await projections.close();
      await leftovers.close();
    },
  };
}
