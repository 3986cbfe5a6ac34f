import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import type { CorrelatedEvents } from "../../../src/client/index.ts";
import { createWorker, type KildeWorker } from "../../../src/worker.ts";
import { jsonPost } from "../../support/app.ts";
import { type FaultyProxy, startFaultyProxy } from "../../support/faulty-proxy.ts";
import { hasSqld, startSqld, type Sqld } from "../../support/sqld.ts";

setDefaultTimeout(60_000);

describe.skipIf(!hasSqld)("a worker that indexes correlations", () => {
  let sqld: Sqld;
  let counting: FaultyProxy;
  let worker: KildeWorker;
  let calls = 0;

  beforeAll(async () => {
    sqld = await startSqld();
    counting = startFaultyProxy(sqld.url, () => {
      calls += 1;
      return "through";
    });
    const env = { KILDE_DATABASE_URL: counting.url, KILDE_LOG_LEVEL: "silent", KILDE_OPEN: "true" };
    worker = createWorker({ correlations: true }, { env });
  });
  afterAll(async () => {
    await counting.stop();
    await sqld.stop();
  });

  async function answer(path: string, init?: RequestInit): Promise<Response> {
    const response = await worker.fetch(new Request(`http://kilde.test${path}`, init));
    expect(response.ok).toBe(true);
    return response;
  }

  async function append(count: number, correlationId: string): Promise<void> {
    const events = Array.from({ length: count }, (_, n) => ({
      type: "Placed",
      data: n,
      metadata: { correlationId },
    }));
    await answer("/streams/order-1", jsonPost({ events }));
  }

  async function correlated(id: string): Promise<Pick<CorrelatedEvents, "events" | "indexed" | "head">> {
    const response = await answer(`/events/correlated?id=${id}&limit=1`);
    return (await response.json()) as CorrelatedEvents;
  }

  test("has the events of before a request in its answer, without a call of the schedule", async () => {
    await append(3, "order-812");
    const { events, indexed, head } = await correlated("order-812");
    expect([events.length, indexed, head]).toEqual([1, 3, 3]);
  });

  test("indexes a bounded part of a backlog before a read, and the rest on its schedule", async () => {
    for (let n = 0; n < 3; n += 1) await append(1_000, "import");
    calls = 0;
    expect(await correlated("import")).toMatchObject({ indexed: 2_003, head: 3_003 });
    expect(calls).toBeLessThan(20);
    await worker.scheduled(null);
    await append(1, "latest");
    expect(await correlated("latest")).toMatchObject({ indexed: 3_004, head: 3_004 });
  });
});
