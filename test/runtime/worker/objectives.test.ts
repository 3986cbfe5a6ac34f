import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

import { openDatabase } from "../../../src/storage/open.ts";
import type { WireEvent } from "../../support/app.ts";
import { hasSqld, startSqld, type Sqld } from "../../support/sqld.ts";
import { type RunningWorker, startWorker } from "../../support/worker.ts";

setDefaultTimeout(60_000);

describe.skipIf(!hasSqld)("objectives of a worker", () => {
  let sqld: Sqld;
  const workers: RunningWorker[] = [];
  beforeAll(async () => {
    sqld = await startSqld();
    for (let count = 1; count <= 2; count += 1)
      workers.push(
        await startWorker({
          databaseUrl: sqld.url,
          config: join(import.meta.dir, "../../support/worker-objectives.ts"),
          options: { afterRequestMs: 0, scheduledMs: 4_000 },
          env: { KILDE_LOG_LEVEL: "silent" },
        }),
      );
  });
  afterAll(async () => {
    for (const worker of workers) await worker.stop();
    await sqld.stop();
  });

  const scheduled = () => Promise.all(workers.map((worker) => worker.scheduled()));

  async function request(path: string, init?: RequestInit): Promise<unknown> {
    const [worker] = workers;
    if (worker === undefined) throw new Error("there is no worker");
    const response = await worker.fetch(path, init);
    expect(response.status).toBe(200);
    return response.json();
  }

  const commit = () =>
    request("/events/consumers/cards", { method: "PUT", body: JSON.stringify({ position: 0 }) });

  test("the scheduled calls of several workers record each alarm once", async () => {
    await commit();
    await scheduled();
    const database = openDatabase({ url: sqld.url });
    const hourAgo = new Date(Date.now() - 3_600_000).toISOString();
    await database.write([{ sql: "update consumers set seen = ?1", args: [hourAgo] }]);
    database.close();
    for (let call = 1; call <= 2; call += 1) await scheduled();
    await commit();
    for (let call = 1; call <= 2; call += 1) await scheduled();
    const entries = (await request("/operations")) as WireEvent[];
    expect(entries.map(({ subject, type }) => `${subject} ${type}`)).toEqual([
      "/events/consumers/cards kilde.consumer.silent",
      "/events/consumers/cards kilde.consumer.recovered",
    ]);
  });
});
