import { openIssuers } from "../../access/issuers.ts";
import { createAccessMemory } from "../../access/key-memory.ts";
import { nodeDigest } from "../../access/node-digest.ts";
import { openOidc } from "../../access/oidc.ts";
import { objectivesOf } from "../../config/objectives.ts";
import type { Settings } from "../../config/settings.ts";
import { createStoreMeasures, type StoreMeasures } from "../../core/measures.ts";
import { systemClock } from "../../core/system-clock.ts";
import { configuredFeeds } from "../configured-feeds.ts";
import type { EventLogger } from "../event-logger.ts";
import type { RegisteredFeed } from "../../feeds/lifecycle/register.ts";
import {
  createRecentHeads,
  RECENT_HEADS_BACKOFF,
  type RecentHeads,
  recentHeadsJob,
} from "../../log/follow/recent-heads.ts";
import type { LogReader } from "../../log/read/reader.ts";
import { createHeadWatch, type HeadWatch, IDLE_INTERVAL_MS } from "../../log/follow/head-watch.ts";
import { migrate } from "../../log/migrate.ts";
import type { Database } from "../../storage/database.ts";
import { type DatabaseLocation, openDatabase } from "../../storage/open.ts";
import { type ServerDatabase, writeFromThread } from "../../storage/writer/threaded-database.ts";
import { type ComposedStore, composeStore, type Platform, type StoreJobKind } from "../compose.ts";
import { startServerLoop } from "../server-loop.ts";
import { startBackground } from "./background.ts";
import { boundedFetch } from "./bounded-fetch.ts";
import { warnOfCheckpoints } from "./checkpoints.ts";
import { createDeliveryPort } from "./delivery-port.ts";
import type { Surface } from "./listen.ts";
import { replicaOf, warnOfReplica } from "./replica.ts";
import type { ServedStore } from "./served-store.ts";
import { createTroubleReports, troubleWith } from "../../storage/writer/writer-trouble.ts";
import { logWriterTrouble } from "./writer-troubles.ts";

/**
 * Longest wait for an answer of a libSQL server, in milliseconds, so that later requests proceed. Callers of writes
 * get their error earlier; an answer in between still reports the result of the write.
 */
const DATABASE_DEADLINE_MS = 15_000;

interface ServerParts {
  readonly settings: Settings;
  readonly logger: EventLogger;
  /** The program of the thread that writes a file; null: this thread writes. Default: the program beside this file. */
  readonly databaseThread?: URL | null;
  /** Called when the appends of a load have paused, to release garbage of this thread. Default: nothing, for a process of somebody else. */
  readonly releaseGarbage?: () => void;
  /** The tenant whose store it is. Default: null, without tenants. */
  readonly tenant?: string | null;
  /** Whether threads start with their first work. Default: at once. */
  readonly lazy?: boolean;
}

export interface StartKildeOptions<Opened extends Surface> extends ServerParts {
  /** Opens the surface by which clients reach the store. */
  readonly open: (store: ServedStore) => Opened;
}

/** A store that is served. */
export interface StartedKilde<Opened extends Surface> {
  readonly surface: Opened;
  readonly store: Pick<ComposedStore, "access">;
  readonly close: () => Promise<void>;
}

/** The parts of a server that are open before its store. */
interface OpenedParts {
  readonly measures: StoreMeasures;
  readonly storage: ServerDatabase;
  readonly heads: HeadWatch;
  readonly reading: Platform["reading"];
  readonly registered: readonly RegisteredFeed[];
}

/** Log messages for runs that failed. */
const JOB_FAILURES: Readonly<Record<StoreJobKind, string>> = {
  sweep: "removing erased data from storage failed; retrying",
  expire: "deleting old entries of the log of administration failed; retrying",
  lag: "storing the lag of consumers failed; retrying",
  correlate: "indexing the correlations of events failed; retrying",
  alarm: "comparing the store with its objectives failed; retrying",
  clear: "emptying a feed that is retired or rebuilt failed; retrying",
};

/** Migrates the schema, without a deadline on a libSQL server. */
async function migrateFully(database: Database, location: DatabaseLocation): Promise<void> {
  // Detects a server that does not answer, which the connection without a deadline would wait for.
  if (!database.embedded) await database.read({ sql: "select 1", args: [] });
  const patient = database.embedded ? database : openDatabase(location);
  try {
    await migrate(patient);
  } finally {
    if (patient !== database) patient.close();
  }
}

/** Logs configured feeds that were retired, and stored feeds that the configuration lacks. */
function warnOfFeeds(
  logger: EventLogger,
  {
    retired,
    unconfigured,
  }: { readonly retired: readonly string[]; readonly unconfigured: readonly string[] },
): void {
  for (const path of unconfigured) {
    logger.warn(
      { feed: path },
      "the store holds a feed that is not configured: erasures do not reach its events; configure it, or retire it first",
    );
  }
  for (const path of retired) {
    logger.warn({ feed: path }, "feed was retired, and can be removed from the configuration");
  }
}

/** Opens the database, brings its schema up to date, and gives a file the thread that writes it. */
async function openStorage(
  { settings, logger, databaseThread, releaseGarbage }: ServerParts,
  measures: StoreMeasures,
  fetch: ReturnType<typeof boundedFetch>,
): Promise<ServerDatabase> {
  const location = { url: settings.databaseUrl, authToken: settings.databaseAuthToken };
  const database = openDatabase({ ...location, fetch });
  try {
    await migrateFully(database, location);
    await warnOfCheckpoints(database, logger);
  } catch (error) {
    database.close();
    throw error;
  }
  return writeFromThread(database, location, {
    program: databaseThread,
    onFailure(err, restartMs) {
      const message =
        restartMs === null
          ? "the thread that writes failed, and nothing can be written"
          : "the thread that writes failed: writes are refused until it is started again";
      logger.error({ err, restartMs }, message);
    },
    onRestart: () => logger.info({}, "the thread that writes was started again"),
    onTrouble: (trouble) => logWriterTrouble(logger, trouble),
    onMeasured: (series) => measures.include(series),
    onRelease: releaseGarbage,
  });
}

/** A server as a platform: jobs run in loops, and projections and deliveries in threads where there is one that writes. */
function serverPlatform(
  { settings, logger, databaseThread, tenant = null, lazy = false }: ServerParts,
  { measures, storage, heads, reading, registered }: OpenedParts,
): Platform {
  const { database } = storage;
  const { limits, pollIntervalMs } = settings;
  return {
    database,
    clock: systemClock,
    limits,
    pollIntervalMs,
    measures,
    heads,
    reading,
    access: {
      digest: nodeDigest,
      issuers: openIssuers(settings.auth.issuers, {
        clock: systemClock,
        fetch: globalThis.fetch,
        consumerBytes: limits.streamNameBytes,
      }),
      oidc: openOidc(settings.auth.oidc, { clock: systemClock, fetch: globalThis.fetch }),
      memory: createAccessMemory(),
      inBackground: true,
    },
    correlations: settings.correlations ? "in-background" : "off",
    objectives: objectivesOf(settings.objectives, tenant),
    isShared: settings.databaseUrl !== ":memory:",
    startJob: (kind, job, backoff) =>
      startServerLoop(job, backoff, (err, { attempts }) =>
        logger.error({ err, attempts }, JOB_FAILURES[kind]),
      ),
    onReleaseFailure: troubleWith(
      "release-memory",
      createTroubleReports((trouble) => logWriterTrouble(logger, trouble)),
    ),
    openDelivery: (onChange) => createDeliveryPort(settings, onChange),
    startBackground: ({ writer, operations }, onPublished) =>
      startBackground({
        settings,
        logger,
        database,
        writer,
        measures,
        operations,
        heads,
        registered,
        lazy,
        projectingFrom: storage.connect,
        // A caller that gives the program of the writing thread has none for the other threads.
        deliveringFrom: databaseThread === undefined ? storage.connect : null,
        onPublished,
      }),
  };
}

/** Notes the heads of the event log until the server closes. */
function noteHeads(reader: LogReader, opened: (() => Promise<void> | void)[]): RecentHeads {
  const heads = createRecentHeads(systemClock);
  const job = recentHeadsJob({ clock: systemClock, heads, look: () => reader.head() });
  // A failure needs no report of its own: the same failure also fails appends and readiness.
  const noting = startServerLoop(job, RECENT_HEADS_BACKOFF, () => {});
  opened.push(() => noting.close());
  return heads;
}

/** Starts a server; `open` gives it the surface by which clients reach it. */
export async function startKilde<Opened extends Surface>({
  open,
  ...parts
}: StartKildeOptions<Opened>): Promise<StartedKilde<Opened>> {
  const { settings, logger } = parts;
  const { limits, pollIntervalMs } = settings;
  const fetch = boundedFetch(systemClock, DATABASE_DEADLINE_MS);
  const opened: (() => Promise<void> | void)[] = [];
  const close = async () => {
    for (const closeOne of opened.toReversed()) await closeOne();
  };
  try {
    const measures = createStoreMeasures();
    const storage = await openStorage(parts, measures, fetch);
    opened.push(() => storage.close());
    const { database } = storage;
    // Shared by all followers and jobs of this thread.
    const heads = createHeadWatch({
      database,
      clock: systemClock,
      pollIntervalMs,
      idleIntervalMs: IDLE_INTERVAL_MS,
    });
    opened.push(() => heads.close());
    const replica = replicaOf(settings, fetch);
    if (replica !== null) {
      opened.push(() => replica.close());
      void warnOfReplica(replica, database, settings, logger);
    }
    const { registered, retired, unconfigured } = await configuredFeeds(database, settings.feeds, limits);
    warnOfFeeds(logger, { retired, unconfigured });
    const platform = serverPlatform(parts, {
      measures,
      storage,
      heads,
      reading: replica?.reading,
      registered,
    });
    const store = composeStore(platform, registered);
    opened.push(() => store.close());
    const recentHeads = noteHeads(store.reader, opened);
    const surface = open({ ...store, recentHeads });
    opened.push(() => surface.close());
    await storage.open();
    return { surface, store, close };
  } catch (error) {
    await close();
    throw error;
  }
}
