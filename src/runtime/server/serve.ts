import type { Settings } from "../../config/settings.ts";
import { listen } from "./listen.ts";
import type { ServerLog } from "./logger.ts";
import { startKilde } from "./start.ts";

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

/**
 * Starts serving on the database that the settings name, or on those of all tenants, bringing their schemas up to date
 * first.
 */
export async function startServer({ settings, version, log }: StartOptions): Promise<RunningServer> {
  const { logger } = log;
  if (settings.tenants.length > 0) {
    // Loaded only here: who has none need not wait for it at each start.
    const { startTenants } = await import("./tenants.ts");
    return startTenants({ settings, version, logger });
  }
  const { surface, close } = await startKilde({
    settings,
    logger,
    open: (parts) => listen({ ...parts, settings, version, logger }),
  });
  return { port: surface.port, close };
}
