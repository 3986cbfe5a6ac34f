import { test } from "bun:test";

import { openApp } from "../support/app.ts";
import { checkAgainstModel } from "../support/model.ts";

test("any work leaves what the model says", async () => {
  await checkAgainstModel(() => openApp(), 300);
}, 60_000);
