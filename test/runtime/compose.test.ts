import { expect, test } from "bun:test";

import { systemClock } from "../../src/core/system-clock.ts";
import { DEFAULT_LIMITS } from "../../src/core/limits.ts";
import { migrate } from "../../src/log/migrate.ts";
import { NO_BACKGROUND } from "../../src/runtime/compose.ts";
import { openDatabase } from "../../src/storage/open.ts";
import { composeTestStore } from "../support/open-store.ts";

test("a store that cannot be composed leaves no job behind, which nobody could close", async () => {
  const database = openDatabase({ url: ":memory:" });
  await migrate(database);
  const started: string[] = [];
  const given = { database, clock: systemClock, limits: DEFAULT_LIMITS, pollIntervalMs: 100 };
  const compose = (openDelivery?: () => never) =>
    composeTestStore(given, [], {
      startJob(kind) {
        started.push(kind);
        return { wake: () => {}, failure: () => null, close: () => Promise.resolve() };
      },
      startBackground() {
        started.push("background");
        return NO_BACKGROUND;
      },
      ...(openDelivery === undefined ? {} : { openDelivery }),
    });
  const fail = () => {
    throw new Error("no key opens the secrets");
  };
  expect(() => compose(fail)).toThrow("no key opens the secrets");
  expect(started).toEqual([]);
  const store = compose();
  expect(started).toEqual(["sweep", "clear", "expire", "lag", "alarm", "background"]);
  await store.close();
  database.close();
});
