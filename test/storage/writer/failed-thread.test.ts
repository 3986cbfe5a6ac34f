import { expect, test } from "bun:test";

import { startDeliveries } from "../../../src/runtime/threads/delivery-runner.ts";
import { createStoreMeasures } from "../../../src/core/measures.ts";
import { DEFAULT_LIMITS } from "../../../src/core/limits.ts";
import { eventually } from "../../support/eventually.ts";
import { jsonPost, type TestApp, TEST_SECRET_KEY } from "../../support/app.ts";
import { crashAtNextWrite, failRuns } from "../../support/failing-thread.ts";
import { type ThreadedApp, withThreadedApp } from "../../support/threaded-app.ts";

const FAILING = new URL("../../support/failing-thread.ts", import.meta.url);

const TIMEOUT_MS = 60_000;

async function append(app: TestApp, stream: string): Promise<number> {
  return (await app.fetch(`/streams/${stream}`, jsonPost({ events: [{ type: "Counted" }] }))).status;
}

/** Makes the writer thread fail while appends wait for it. */
async function bringDown({ app, failures }: ThreadedApp): Promise<void> {
  const before = failures.length;
  // The first append is in flight, and the others make the thread fail.
  const under = append(app, "lost-1");
  await Bun.sleep(50);
  const statuses = await Promise.all([under, append(app, "lost-2"), append(app, "lost-3")]);
  expect(statuses).toEqual([503, 503, 503]);
  expect(failures.length).toBeGreaterThan(before);
}

test(
  "when the writer thread fails, appends are rejected, reads continue, and the thread restarts",
  () =>
    withThreadedApp(async (threaded) => {
      const { app, path, failures } = threaded;
      failRuns(path, ["second-write", "open", "second-write"]);
      await threaded.begin();
      await bringDown(threaded);
      expect(String(failures[0]?.cause)).toContain("out of memory");
      expect(await app.get("/events")).toEqual([]);

      const refused = await app.fetch("/streams/a", jsonPost({ events: [{ type: "Counted" }] }));
      expect(refused.status).toBe(503);
      const problem = await refused.text();
      expect(problem).toContain("storage-unavailable");
      expect(problem).not.toContain("out of memory");
      expect((await app.fetch("/ready")).status).toBe(503);

      await eventually(() => threaded.restarts() === 1);
      await bringDown(threaded);
      await eventually(async () => (await append(app, "a")) === 201);
      expect((await app.fetch("/ready")).status).toBe(200);
      expect(await append(app, "a")).toBe(201);
      expect(await app.get("/events")).toMatchObject([
        { subject: "a", id: "1" },
        { subject: "a", id: "2" },
      ]);
      expect(failures.map(({ cause }) => /error: (.*)/.exec(String(cause))?.[1])).toEqual([
        "out of memory",
        "no file descriptors",
        "out of memory",
      ]);
    }, FAILING),
  TIMEOUT_MS,
);

test(
  "a thread that exits without an error restarts as well",
  () =>
    withThreadedApp(async (threaded) => {
      failRuns(threaded.path, ["exit"]);
      await threaded.begin();
      expect(await append(threaded.app, "a")).toBe(503);
      await eventually(async () => (await append(threaded.app, "a")) === 201);
    }, FAILING),
  TIMEOUT_MS,
);

test(
  "a thread that cannot open the file at its first start does not restart, and pending writes are rejected",
  () =>
    withThreadedApp(async (threaded) => {
      failRuns(threaded.path, ["open"]);
      expect(threaded.begin()).rejects.toThrow("no file descriptors");
      expect(await append(threaded.app, "a")).toBe(503);
      expect(threaded.failures).toHaveLength(1);
    }, FAILING),
  TIMEOUT_MS,
);

test(
  "webhooks continue to be delivered after the writer thread has restarted",
  () =>
    withThreadedApp(async (threaded) => {
      const { app, storage, path } = threaded;
      const received: string[] = [];
      const receiver = Bun.serve({
        port: 0,
        async fetch(request) {
          received.push(((await request.json()) as { id: string }).id);
          return new Response();
        },
      });
      const events: unknown[] = [];
      failRuns(path, []);
      await threaded.begin();
      const url = `http://127.0.0.1:${receiver.port}/`;
      expect((await app.fetch("/subscriptions", jsonPost({ source: "/events", url }))).status).toBe(201);
      const delivering = startDeliveries({
        url: `file:${path}`,
        database: storage.database,
        writer: app.store.writer,
        measures: createStoreMeasures(),
        limits: DEFAULT_LIMITS,
        pollIntervalMs: 20,
        connect: storage.connect,
        egressAllow: ["127.0.0.1"],
        publicLogs: [],
        secretKeys: [TEST_SECRET_KEY],
        onEvent: (event) => events.push(event),
      });
      try {
        await app.append("a", { type: "A" });
        await eventually(() => received.includes("1"));
        crashAtNextWrite(path);
        await eventually(async () => (await append(app, "a")) === 503);
        await eventually(async () => (await append(app, "a")) === 201);
        const head = (await app.get<{ id: string }[]>("/events")).length;
        await eventually(() => received.includes(String(head)));
        // Storing progress needs the thread.
        await eventually(async () => {
          const { subscriptions } = await app.get<{ subscriptions: { cursor: number }[] }>("/subscriptions");
          return subscriptions[0]?.cursor === head;
        });
      } finally {
        await delivering.close();
        await receiver.stop(true);
      }
    }, FAILING),
  TIMEOUT_MS,
);
