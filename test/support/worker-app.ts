import { DEFAULT_LIMITS } from "../../src/core/limits.ts";
import { openTestStore } from "./open-store.ts";
import { systemClock } from "../../src/core/system-clock.ts";
import { callsThrough, TEST_SECRET_KEY, type TestApp, type TestAppOptions } from "./app.ts";
import { newDatabase } from "./new-database.ts";
import { urlOf } from "./sqld.ts";
import { startWorker } from "./worker.ts";

function environmentName(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}

/** A worker in workerd, beside a store of this process on the same libSQL server. */
export async function openWorkerApp(options: TestAppOptions): Promise<TestApp> {
  if (options.closing !== undefined || options.feeds !== undefined) {
    throw new Error("a worker cannot be given this: skip the test for it");
  }
  const database = options.database ?? (await newDatabase());
  const worker = await startWorker({
    databaseUrl: urlOf(database),
    options: { databaseCalls: null },
    env: {
      KILDE_POLL_INTERVAL_MS: "100",
      KILDE_SECRET_KEYS: (options.secretKeys ?? [TEST_SECRET_KEY]).join(","),
      KILDE_EGRESS_ALLOW: (options.egressAllow ?? ["127.0.0.1"]).join(","),
      ...(options.environment === undefined ? {} : { KILDE_ENVIRONMENT: options.environment }),
      ...(options.corsOrigins === undefined ? {} : { KILDE_CORS_ORIGIN: options.corsOrigins.join(",") }),
      ...Object.fromEntries(
        Object.entries(options.limits ?? {}).map(([name, value]) => [
          `KILDE_LIMIT_${environmentName(name)}`,
          String(value),
        ]),
      ),
    },
  });
  const deps = { database, clock: systemClock, limits: DEFAULT_LIMITS, pollIntervalMs: 20 };
  const store = await openTestStore(deps);
  return {
    store,
    feeds: store.feeds,
    faults: [],
    ...callsThrough((path, init) => worker.fetch(path, init)),
    async close() {
      await worker.stop();
      await store.close();
    },
  };
}
