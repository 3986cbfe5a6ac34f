import { test } from "bun:test";
import fc from "fast-check";

import { type Cluster, withCluster } from "../support/store.ts";
import { checkLoad, readers, writers } from "./load.ts";
import { checkExactVersions, checkHotStream, checkOneKey, checkReusedKey } from "./races.ts";

const TIMEOUT_MS = 120_000;

/** The tests of concurrent appends and reads, for any deployment. */
export function concurrencyTests(open: () => Promise<Cluster>, runs: number): void {
  test(
    "random appends and reads at once lose, repeat and reorder nothing",
    () =>
      fc.assert(
        fc.asyncProperty(writers, readers, (writing, reading) =>
          withCluster(open, (cluster) => checkLoad(cluster, writing, reading)),
        ),
        // Concurrent runs do not repeat exactly, so shrinking is of no use.
        { numRuns: runs, endOnFailure: true },
      ),
    TIMEOUT_MS,
  );

  test(
    "of appends that expect the same version, one wins",
    () => withCluster(open, (cluster) => checkExactVersions(cluster, runs)),
    TIMEOUT_MS,
  );

  test(
    "appends to one stream from everywhere all succeed",
    () => withCluster(open, (cluster) => checkHotStream(cluster, { clients: 16, appends: 4 * runs })),
    TIMEOUT_MS,
  );

  test(
    "one idempotency key from everywhere writes once",
    () =>
      withCluster(open, async (cluster) => {
        await checkOneKey(cluster, runs);
        await checkReusedKey(cluster, runs);
      }),
    TIMEOUT_MS,
  );
}
