import { expect, test } from "bun:test";
import fc from "fast-check";

import { type Deployment, threadedFile } from "../../support/app.ts";
import { openCluster, withCluster } from "../../support/store.ts";
import { checkLoad, readers, request } from "../load.ts";

/** As `threadedFile`, counting the writes that a server took for the only one. */
function watched(): { readonly deployment: Deployment; readonly writes: () => number } {
  let writes = 0;
  const open = async () => {
    const opened = await threadedFile.open();
    const database = () => {
      const { writeAlone, ...rest } = opened.database();
      if (writeAlone === undefined) throw new Error("a threaded file has a way for single writes");
      return {
        ...rest,
        writeAlone(statements: Parameters<typeof writeAlone>[0]) {
          writes += 1;
          return writeAlone(statements);
        },
      };
    };
    return { ...opened, database };
  };
  return { deployment: { ...threadedFile, open }, writes: () => writes };
}

/**
 * What one client appends, one after the other, for long enough to be taken for the only one. It pauses, as it would on
 * a network: without one, in this process, each append would wait already when the write before it is done.
 */
const series = fc.array(
  request.map((one) => ({ ...one, twice: false, pauseMs: 1 })),
  { minLength: 40, maxLength: 60, size: "max" },
);

for (const servers of [1, 2, 3]) {
  test(`${servers} servers on a file, each with one client: nothing is lost, torn or repeated`, async () => {
    const { deployment, writes } = watched();
    await fc.assert(
      fc.asyncProperty(
        fc.array(series, { minLength: servers, maxLength: servers }),
        readers,
        (each, reading) =>
          withCluster(
            () => openCluster(deployment, servers),
            (cluster) =>
              checkLoad(
                cluster,
                each.map((requests, node) => ({ node, requests })),
                reading,
              ),
          ),
      ),
      { numRuns: 6 },
    );
    expect(writes()).toBeGreaterThan(0);
  }, 120_000);
}
