import { test } from "bun:test";

import { checkSimulations } from "./feed-simulation.ts";

const RUNS = Number(process.env["PROPERTY_RUNS"] ?? 20);

test(
  "random feeds of two releases publish the events of one uninterrupted run",
  () => checkSimulations(RUNS),
  300_000,
);
