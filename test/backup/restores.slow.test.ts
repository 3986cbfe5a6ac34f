import { test } from "bun:test";

import { checkRestoredConsumers } from "./restored-consumers.ts";
import { checkRestores } from "./restores.ts";

test("a thousand schedules of restores beneath running servers: no reader or writer takes one position for two events without being notified", async () => {
  await checkRestores({ runs: 1_000, actions: 60 });
}, 900_000);

test("a thousand schedules of restores with consumers and a decider: they end in agreement with the log", async () => {
  await checkRestoredConsumers({ runs: 1_000, actions: 40 });
}, 900_000);
