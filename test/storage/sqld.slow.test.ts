import { describe, expect, test } from "bun:test";

import { checkAgainstModel } from "../log/against-model.ts";
import { concurrencyTests } from "../log/concurrency.ts";
import { hasSqld, sqld } from "../support/sqld.ts";
import { openCluster } from "../support/store.ts";
import { checkKills } from "../support/kills.ts";
import { runsOn, testInProcess } from "../support/tested-on.ts";

// Its databases are on a libSQL server in both.
runsOn(["memory", "worker"]);

const TIMEOUT_MS = 600_000;

describe.skipIf(!hasSqld)("servers of one libSQL server", () => {
  test(
    "two servers answer as the model does",
    () => checkAgainstModel(() => openCluster(sqld, 2), { runs: 20, actions: 30 }),
    TIMEOUT_MS,
  );

  describe("one store", () => concurrencyTests(() => openCluster(sqld, 1), 5));
  describe("two stores", () => concurrencyTests(() => openCluster(sqld, 2), 5));

  testInProcess(
    "kill -9 of two servers under load loses and repeats no event",
    async () => {
      const { events } = await checkKills("sqld", { servers: 2, rounds: 10 });
      expect(events).toBeGreaterThan(100);
    },
    TIMEOUT_MS,
  );
});
