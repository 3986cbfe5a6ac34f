import { expect, test } from "bun:test";

import { createDeadlines } from "../../../src/core/deadlines.ts";
import { type Port, createThreadWrites } from "../../../src/storage/writer/thread-writes.ts";
import { systemClock } from "../../../src/core/system-clock.ts";

const DEADLINE_MS = 20;

type Sent = readonly [id: number, failures: number, statements: readonly unknown[]];

/** A port whose other end answers when the test does. */
function silentPort() {
  const sent: Sent[] = [];
  let receive: (message: unknown) => void = () => {};
  const port: Port = {
    post: (message) => sent.push(message as Sent),
    listen(receiver) {
      receive = receiver;
    },
  };
  const lastId = () => sent.at(-1)?.[0] ?? 0;
  return {
    port,
    sent,
    succeed: (id = lastId()) => receive([id, null, []]),
    fail: (id = lastId()) => receive([id, { message: "disk is full", code: "SQLITE_FULL" }]),
  };
}

const outcomeOf = (write: Promise<unknown>) =>
  write.then(
    () => "written",
    (error: unknown) => (error as Error).message,
  );

test("a write without an answer is rejected, as is every other one until an answer arrives", async () => {
  const { port, sent, succeed } = silentPort();
  const { write } = createThreadWrites(port, createDeadlines(systemClock, DEADLINE_MS));
  expect(await outcomeOf(write([]))).toContain("did not answer");
  expect(await outcomeOf(write([]))).toContain("did not answer");
  expect(sent).toHaveLength(1);
  succeed();
  const next = outcomeOf(write([]));
  succeed();
  expect(await next).toBe("written");
});

test("a write that fails after its deadline voids the writes that were sent before the failure was known", async () => {
  const { port, sent, fail, succeed } = silentPort();
  const { write } = createThreadWrites(port, createDeadlines(systemClock, DEADLINE_MS));
  const first = outcomeOf(write([]));
  const second = outcomeOf(write([]));
  expect(await first).toContain("did not answer");
  fail(1);
  const third = outcomeOf(write([]));
  succeed();
  expect(await third).toBe("written");
  expect(await second).toContain("did not answer");
  expect(sent.map(([, failures]) => failures)).toEqual([0, 0, 1]);
});

test("after the thread failed, pending and new writes are rejected until it is reached through another port", async () => {
  const [old, next] = [silentPort(), silentPort()];
  const { write, fail, reconnect } = createThreadWrites(old.port, createDeadlines(systemClock, 60_000));
  const waiting = outcomeOf(write([]));
  old.fail();
  await waiting;
  const lost = outcomeOf(write([]));
  fail(new Error("the thread failed"));
  expect(await lost).toBe("the thread failed");
  expect(await outcomeOf(write([]))).toBe("the thread failed");
  reconnect(next.port);
  const again = outcomeOf(write([]));
  // A late answer of the old thread is ignored, and the new thread knows of no failures.
  old.fail(3);
  next.succeed();
  expect(await again).toBe("written");
  expect(next.sent).toMatchObject([[3, 0, []]]);
});
