import { test } from "bun:test";

import { checkRestores } from "../property/restores.ts";

test("a thousand schedules of restores beneath running servers: nobody takes one position for two events without being notified", async () => {
  await checkRestores({ runs: 1_000, actions: 60 });
}, 900_000);
