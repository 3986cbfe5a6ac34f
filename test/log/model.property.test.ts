import { test } from "bun:test";

import { file, memory } from "../support/app.ts";
import { openCluster } from "../support/store.ts";
import { checkAgainstModel } from "./against-model.ts";

test("a server answers as the model does", async () => {
  await checkAgainstModel(() => openCluster(memory, 1), { runs: 80, actions: 40 });
}, 60_000);

test("two servers on one file answer as the model does", async () => {
  await checkAgainstModel(() => openCluster(file, 2), { runs: 30, actions: 40 });
}, 60_000);
