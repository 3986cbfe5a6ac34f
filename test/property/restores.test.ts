import { testInProcess } from "../support/tested-on.ts";
import { checkRestores } from "./restores.ts";

const RUNS = Number(process.env["PROPERTY_RUNS"] ?? 40);

testInProcess(
  "nobody takes one position for two events without being notified, whatever is restored beneath running servers",
  () => checkRestores({ runs: RUNS, actions: 40 }),
  120_000,
);
