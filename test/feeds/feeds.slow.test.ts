import { test } from "bun:test";

import { checkSimulations } from "./feed-simulation.ts";

test(
  "random feeds of two releases publish the events of one uninterrupted run, 2,000 times",
  () => checkSimulations(2_000),
  900_000,
);
