import { setMaxListeners } from "node:events";
import { join } from "node:path";

import type { Logger } from "pino";

import { type ServedDatabase, servedDatabases } from "../../config/served.ts";
import type { Settings } from "../../config/settings.ts";
import { DEFAULT_TENANT } from "../../config/tenants.ts";
import { createPipeline, type Observers, type Pipeline } from "../../http/pipeline/pipeline.ts";
import { measureRequests } from "../../http/pipeline/request-measures.ts";
import { PROCESS_PATH, processDestination } from "../../http/pipeline/process.ts";
import { createBudgets } from "../../http/app.ts";
import { createSchemas } from "../../http/openapi/schemas.ts";
import { tenantChooser } from "../../http/pipeline/tenants.ts";
import { serverFeeds } from "../server-feeds.ts";
import { createHostGuard } from "./host-guard.ts";
import { accessLogOf, type AnswerDeps, type Listening, openSocket, senderAddressOf } from "./listen.ts";
import type { RunningServer } from "./serve.ts";
import { refreshAll, securingJob } from "./securing.ts";
import { startServerLoop } from "../server-loop.ts";
import { processAdmission, warnOfIgnoredOpen } from "../admission.ts";
import { isLoopbackHost } from "../../config/loopback.ts";
import { nodeDigest } from "../../access/node-digest.ts";
import { authenticateAtProcess } from "../../http/pipeline/process-access.ts";
import { openProcessMeter } from "./process-meter.ts";
import { openParsing } from "./parsing.ts";
import { systemClock } from "../../core/system-clock.ts";
import { startServerGarbage } from "./server-garbage.ts";
import { type RunningTenant, startTenant, type TenantOptions } from "./tenant.ts";

/** Longest wait of a start for databases, in milliseconds. Later ones open while others are served. */
const START_MS = 3_000;

/** Delays before databases that could not be marked are marked again, in milliseconds. */
const SECURING = { firstMs: 1_000, lastMs: 30_000 };

export interface TenantsOptions {
  readonly settings: Settings;
  readonly version: string;
  readonly logger: Logger;
}

/** Returns the settings of a tenant: the common ones, with its database. */
function settingsOf(
  settings: Settings,
  { tenant, databaseUrl, readUrl, databaseAuthToken }: ServedDatabase,
): Settings {
  const { backupFolder } = settings;
  return {
    ...settings,
    databaseUrl,
    readUrl,
    databaseAuthToken,
    ...(backupFolder === undefined ? {} : { backupFolder: join(backupFolder, tenant ?? DEFAULT_TENANT) }),
  };
}

interface TenantsPipelineOptions extends Pick<AnswerDeps, "admission" | "addressOf"> {
  readonly settings: Settings;
  readonly version: string;
  readonly observers: Observers;
  readonly closing: AbortSignal;
  readonly all: readonly RunningTenant[];
}

/** Requests that match no tenant are for the database in `databaseUrl`, or for the process itself. */
function tenantsPipeline(options: TenantsPipelineOptions): Pipeline {
  const { settings, version, observers, closing, all, admission, addressOf } = options;
  const choose = tenantChooser(all);
  const rest = all.find(({ host, path }) => host === undefined && path === undefined);
  const { metricsToken } = settings;
  const own = processDestination({
    ...observers,
    version,
    closing,
    clock: systemClock,
    addressOf,
    authenticate: authenticateAtProcess({ admission, digest: nodeDigest, metricsToken }),
    tenants: () => all.map(({ name, deps }) => ({ name, deps: deps() })),
  });
  return createPipeline({
    clock: systemClock,
    hostError: createHostGuard(settings),
    destinationOf(request) {
      const url = new URL(request.url);
      const tenant = choose(url) ?? (PROCESS_PATH.test(url.pathname) ? undefined : rest);
      return tenant === undefined ? own : tenant.destination();
    },
    observers,
  });
}

/** Starts all tenants, which share the memory of the process. */
function openTenants(
  { settings, version, logger }: TenantsOptions,
  shared: Pick<
    TenantOptions,
    "parseLarge" | "closing" | "admission" | "addressOf" | "releaseGarbage" | "process"
  >,
): readonly RunningTenant[] {
  const schemas = createSchemas(settings.limits);
  const budgets = createBudgets(settings.limits, systemClock, shared.closing);
  return servedDatabases(settings).map((served) => {
    const { tenant, host, path } = served;
    const name = tenant ?? DEFAULT_TENANT;
    return startTenant({
      ...shared,
      name,
      host,
      path,
      settings: settingsOf(settings, served),
      version,
      logger: logger.child({ tenant: name }),
      schemas,
      budgets,
    });
  });
}

/** Waits for the databases to open, and then for their keys; for each at most for the time of a start. */
async function waitForTenants(all: readonly RunningTenant[], closing: AbortSignal): Promise<void> {
  const tried = Promise.all(all.map((tenant) => tenant.tried));
  await Promise.race([tried, systemClock.sleep(START_MS, closing)]);
  const opened = all.flatMap(({ deps }) => deps() ?? []);
  await Promise.race([refreshAll(opened), systemClock.sleep(START_MS, closing)]);
}

/**
 * Serves the databases of all tenants on one socket. Each has a log, threads and a surface of its own, so a failure
 * of one does not affect the others. `databaseUrl`, if set, serves all other requests.
 */
export async function startTenants({ settings, version, logger }: TenantsOptions): Promise<RunningServer> {
  const closing = new AbortController();
  // Each tenant listens to this signal. By default, Node warns of a leak above ten listeners.
  setMaxListeners(0, closing.signal);
  // Faults of the feeds concern all tenants, so they are reported before any database is opened.
  serverFeeds(settings.feeds, settings.limits);
  const parsing = openParsing(settings.limits);
  const garbage = startServerGarbage(logger);
  const meter = openProcessMeter();
  const isSecured = () => all.some(({ deps }) => deps()?.access.isSecured() === true);
  const admission = processAdmission(settings, isLoopbackHost(settings.host), isSecured);
  let socket: Listening | null = null;
  const addressOf = (request: Request) =>
    socket === null ? null : senderAddressOf(settings, socket, request);
  const all = openTenants(
    { settings, version, logger },
    {
      parseLarge: parsing.parseLarge,
      closing: closing.signal,
      admission: () => admission.now(),
      addressOf,
      releaseGarbage: () => garbage.request(),
      process: meter,
    },
  );
  const securing = startServerLoop(
    securingJob(() => all.map(({ deps }) => deps())),
    SECURING,
    (error) => logger.error({ err: error }, "a tenant's database could not be marked as secured; retrying"),
  );
  const closeAll = async () => {
    parsing.close();
    await garbage.close();
    await meter.close();
    // A run may wait for a database that does not answer.
    void securing.close();
    await Promise.all(all.map((tenant) => tenant.close()));
  };
  try {
    await waitForTenants(all, closing.signal);
    warnOfIgnoredOpen(admission, logger);
    const observers: Observers = {
      onAnswer: measureRequests(meter.measures),
      onAccess: accessLogOf(settings, logger),
      onFault: (error, requestId) => logger.error({ err: error, requestId }, "request failed"),
    };
    const pipeline = tenantsPipeline({
      settings,
      version,
      observers,
      closing: closing.signal,
      all,
      admission: () => admission.now(),
      addressOf,
    });
    const listening = openSocket({ settings, closing, pipeline, onFault: observers.onFault });
    socket = listening;
    return {
      port: listening.port,
      reloadTls: listening.reloadTls,
      admission: admission.now(),
      async close() {
        await listening.close();
        await closeAll();
      },
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}
