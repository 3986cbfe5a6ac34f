import type { Settings } from "../../config/settings.ts";
import type { Admission } from "../../access/admission.ts";
import { warnOfIgnoredOpen } from "../admission.ts";
import { type Listening, listen } from "./listen.ts";
import type { ServerLog } from "./logger.ts";
import { openProcessMeter } from "./process-meter.ts";
import { startServerGarbage } from "./server-garbage.ts";
import { startKilde } from "./start.ts";

/** A server that runs in this process. */
export interface RunningServer extends Pick<Listening, "port" | "reloadTls"> {
  /** Whether requests needed credentials when the server had started. */
  readonly admission: Admission;
  /** Accepts no more requests, answers pending ones, commits, and closes the database. */
  close(): Promise<void>;
}

export interface StartOptions {
  readonly settings: Settings;
  readonly version: string;
  readonly log: ServerLog;
}

/** Migrates the database in the settings, or those of all tenants, and starts to serve. */
export async function startServer({ settings, version, log }: StartOptions): Promise<RunningServer> {
  const { logger } = log;
  if (settings.tenants.length > 0) {
    // Loaded only here, so that a server without tenants starts faster.
    const { startTenants } = await import("./tenants.ts");
    return startTenants({ settings, version, logger });
  }
  const meter = openProcessMeter();
  const garbage = startServerGarbage(logger);
  const started = startKilde({
    settings,
    logger,
    releaseGarbage: () => garbage.request(),
    open: (parts) => listen({ ...parts, settings, version, logger, process: meter }),
  });
  started.catch(() => Promise.all([garbage.close(), meter.close()]));
  const { surface, close, store } = await started;
  // A database that cannot be read now is read by the first request.
  await store.access.refreshed()?.catch(() => {});
  warnOfIgnoredOpen(surface.admission, logger);
  return {
    port: surface.port,
    reloadTls: surface.reloadTls,
    admission: surface.admission.now(),
    async close() {
      await garbage.close();
      await close();
      await meter.close();
    },
  };
}
