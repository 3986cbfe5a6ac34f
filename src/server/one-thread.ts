import type { Database } from "../log/database.ts";
import { openStore } from "../log/store.ts";
import { listen } from "./listen.ts";
import type { RunningServer, StartOptions } from "./start.ts";
import { systemClock } from "./system-clock.ts";

/** Everything in one thread: for a database in memory, which has one connection, or on a server, which never blocks. */
export async function startOneThread(
  database: Database,
  { settings, version, log }: StartOptions,
): Promise<RunningServer> {
  const { limits, pollIntervalMs, port } = settings;
  const store = await openStore({ database, clock: systemClock, limits, pollIntervalMs });
  try {
    const listening = listen({ ...store, settings, version, log }, port, false);
    return {
      port: listening.port,
      async close() {
        await listening.close();
        await store.close();
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}
