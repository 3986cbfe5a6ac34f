import { testInProcess } from "../support/tested-on.ts";
import { checkRestoredConsumers } from "./restored-consumers.ts";
import { checkRestores } from "./restores.ts";

const RUNS = Number(process.env["PROPERTY_RUNS"] ?? 40);

testInProcess(
  "nobody takes one position for two events without being notified, whatever is restored beneath running servers",
  () => checkRestores({ runs: RUNS, actions: 40 }),
  120_000,
);

testInProcess(
  "consumers and deciders end with what the log holds, whatever is restored beneath running servers",
  () => checkRestoredConsumers({ runs: RUNS / 4, actions: 30 }),
  120_000,
);
