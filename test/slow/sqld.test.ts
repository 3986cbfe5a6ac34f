import { describe, test } from "bun:test";

import { openApp } from "../support/app.ts";
import { checkConcurrency } from "../support/concurrency.ts";
import { checkAgainstModel } from "../support/model.ts";
import { hasSqld, sqld } from "../support/sqld.ts";

describe.skipIf(!hasSqld)("on a real libSQL server", () => {
  test("any work leaves what the model says", async () => {
    await checkAgainstModel(async () => {
      const opened = await sqld.open();
      const app = await openApp({ database: opened.database() });
      return {
        ...app,
        close: async () => {
          await app.close();
          await opened.dispose();
        },
      };
    }, 25);
  }, 300_000);

  test("concurrent appends through two stores", async () => {
    await checkConcurrency(sqld.open, 2, 15);
  }, 300_000);
});
