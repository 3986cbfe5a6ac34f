import { setMaxListeners } from "node:events";

import type { Logger } from "pino";

import { type ServedDatabase, servedDatabases } from "../../config/served.ts";
import type { Settings } from "../../config/settings.ts";
import { DEFAULT_TENANT } from "../../config/tenants.ts";
import { createPipeline, type Observers } from "../../http/pipeline/pipeline.ts";
import { PROCESS_PATH, processDestination } from "../../http/pipeline/process.ts";
import { createBudgets } from "../../http/app.ts";
import { createSchemas } from "../../http/openapi/schemas.ts";
import { tenantChooser } from "../../http/pipeline/tenants.ts";
import { serverFeeds } from "../server-feeds.ts";
import { createHostGuard } from "./host-guard.ts";
import { accessLogOf, type Listening, openSocket } from "./listen.ts";
import { openParsing } from "./parsing.ts";
import { systemClock } from "../../core/system-clock.ts";
import { type RunningTenant, startTenant } from "./tenant.ts";

/** How long a start waits for databases; those that are not open by then are waited for while others are served. */
const START_MS = 3_000;

export interface TenantsOptions {
  readonly settings: Settings;
  readonly version: string;
  readonly logger: Logger;
}

/** The settings of a tenant: those of all, with its database. */
function settingsOf(
  settings: Settings,
  { databaseUrl, readUrl, databaseAuthToken }: ServedDatabase,
): Settings {
  return { ...settings, databaseUrl, readUrl, databaseAuthToken };
}

/**
 * Serves the databases of all tenants on one socket: each with a log, threads and a surface of its own, so that what
 * befalls one is not felt by others. `databaseUrl` serves the rest, if it is set.
 */
export async function startTenants({ settings, version, logger }: TenantsOptions): Promise<Listening> {
  const closing = new AbortController();
  // Each tenant listens. Node takes more than a few listeners for a leak.
  setMaxListeners(0, closing.signal);
  // What is wrong with the feeds is wrong for all, and told before anything is opened.
  serverFeeds(settings.feeds, settings.limits);
  const schemas = createSchemas(settings.limits);
  // The memory is that of the process, however many tenants share it.
  const budgets = createBudgets(settings.limits, systemClock, closing.signal);
  const parsing = openParsing(settings.limits);
  const all = servedDatabases(settings).map((served): RunningTenant => {
    const { tenant, host, path } = served;
    const name = tenant ?? DEFAULT_TENANT;
    return startTenant({
      name,
      host,
      path,
      settings: settingsOf(settings, served),
      version,
      logger: logger.child({ tenant: name }),
      schemas,
      budgets,
      parseLarge: parsing.parseLarge,
      closing: closing.signal,
    });
  });
  const rest = all.find(({ host, path }) => host === undefined && path === undefined);
  const closeAll = async () => {
    parsing.close();
    await Promise.all(all.map((tenant) => tenant.close()));
  };
  try {
    await Promise.race([
      Promise.all(all.map(({ tried }) => tried)),
      systemClock.sleep(START_MS, closing.signal),
    ]);
    const choose = tenantChooser(all);
    const observers: Observers = {
      onAccess: accessLogOf(settings, logger),
      onFault: (error, requestId) => logger.error({ err: error, requestId }, "request failed"),
    };
    const own = processDestination({
      ...observers,
      version,
      closing: closing.signal,
      tenants: () => all.map(({ name, deps }) => ({ name, deps: deps() })),
    });
    const pipeline = createPipeline({
      clock: systemClock,
      hostError: createHostGuard(settings),
      destinationOf(request) {
        const url = new URL(request.url);
        const tenant = choose(url) ?? (PROCESS_PATH.test(url.pathname) ? undefined : rest);
        return tenant === undefined ? own : tenant.destination();
      },
      observers,
    });
    const listening = openSocket({ settings, closing, pipeline, onFault: observers.onFault });
    return {
      port: listening.port,
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
