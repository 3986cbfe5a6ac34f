import { createAccessMemory } from "../../src/access/key-memory.ts";
import { nodeDigest } from "../../src/access/node-digest.ts";
import { createStoreMeasures } from "../../src/core/measures.ts";
import type { RegisteredFeed } from "../../src/feeds/lifecycle/register.ts";
import type { Job } from "../../src/jobs/job.ts";
import { startLoop } from "../../src/jobs/loop.ts";
import type { LogReaderDeps } from "../../src/log/read/reader.ts";
import { type ComposedStore, composeStore, NO_BACKGROUND, type Platform } from "../../src/runtime/compose.ts";
import { createDeliveryPort } from "../../src/runtime/server/delivery-port.ts";
import { migrate } from "../../src/log/migrate.ts";

export type { ComposedStore } from "../../src/runtime/compose.ts";

type Given = Pick<LogReaderDeps, "database" | "clock" | "limits" | "pollIntervalMs">;

/** Alarms depend on the database's time, which no test sets, so tests of them run the job by hand with a time of theirs. */
const NO_ALARMS: Job = { name: "no alarms", run: () => Promise.resolve("over") };

/** Composes a store as the product does, without background work and without webhooks that leave the process. */
export function composeTestStore(
  given: Given,
  registered: readonly RegisteredFeed[] = [],
  platform: Partial<Platform> = {},
): ComposedStore {
  return composeStore(
    {
      access: {
        digest: nodeDigest,
        issuers: null,
        oidc: null,
        memory: createAccessMemory(),
        inBackground: false,
      },
      correlations: "off",
      objectives: null,
      isShared: false,
      measures: createStoreMeasures(),
      openDelivery: (onChange) => createDeliveryPort({ secretKeys: [], egressAllow: [] }, onChange),
      startJob: (kind, job, backoff) =>
        startLoop(kind === "alarm" ? NO_ALARMS : job, {
          clock: given.clock,
          chance: () => 0,
          backoff,
          onFailure: () => {},
        }),
      startBackground: () => NO_BACKGROUND,
      ...platform,
      ...given,
    },
    registered,
  );
}

/** Brings the schema of a database up to date, and opens a store without feeds on it; its `close` closes the database as well. */
export async function openTestStore(given: Given): Promise<ComposedStore> {
  await migrate(given.database);
  const store = composeTestStore(given);
  return {
    ...store,
    async close() {
      await store.close();
      given.database.close();
    },
  };
}
