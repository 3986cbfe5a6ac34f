import { test } from "bun:test";

import { checkRestoredConsumers } from "./restored-consumers.ts";
import { checkRestores } from "./restores.ts";

test("a thousand schedules of restores beneath running servers: nobody takes one position for two events without being notified", async () => {
  await checkRestores({ runs: 1_000, actions: 60 });
}, 900_000);

test("a thousand schedules with consumers and a decider: they end with what the log holds", async () => {
  await checkRestoredConsumers({ runs: 1_000, actions: 40 });
}, 900_000);
