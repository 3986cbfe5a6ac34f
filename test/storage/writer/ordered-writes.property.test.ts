import { expect, test } from "bun:test";
import fc from "fast-check";

import { createDeadlines } from "../../../src/core/deadlines.ts";
import { INSERT_EVENTS, INSERT_UNREAD_EVENTS } from "../../../src/log/append/append-batch.ts";
import type { Database, Statement } from "../../../src/storage/database.ts";
import { storageFailure } from "../../../src/storage/failures.ts";
import { openDatabase } from "../../../src/storage/open.ts";
import {
  createWriteServer,
  createThreadWrites,
  THREAD_DEADLINE_MS,
} from "../../../src/storage/writer/thread-writes.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import { jsonPost, openApp } from "../../support/app.ts";
import { channel } from "../../support/channel.ts";

/** A database in memory that is written through a channel; `failing` selects the writes that fail, and their error. */
function distantDatabase(failing: (statements: readonly Statement[]) => Error | null): Database {
  const database = openDatabase({ url: ":memory:" });
  const [here, there] = channel();
  createWriteServer(async (statements) => {
    const error = failing(statements);
    if (error !== null) throw error;
    return database.write(statements);
  }, systemClock).serve(there);
  return {
    ...database,
    ordered: true,
    write: createThreadWrites(here, createDeadlines(systemClock, THREAD_DEADLINE_MS)).write,
  };
}

const insert = (value: number) => [{ sql: "insert into numbers values (?)", args: [value] }];

test("a write that was sent before the failure of an earlier one was known does not run", async () => {
  const database = distantDatabase((statements) =>
    statements.some(({ args }) => args[0] === 2) ? new Error("disk is full") : null,
  );
  await database.write([{ sql: "create table numbers (value integer)", args: [] }]);

  const sent = [1, 2, 3, 4].map((value) => database.write(insert(value)));
  const outcomes = await Promise.allSettled(sent);
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected", "rejected"]);
  const failures = outcomes.map((outcome) => outcome.status === "rejected" && storageFailure(outcome.reason));
  expect(failures).toEqual([false, "full", "conflict", "conflict"]);

  await database.write(insert(5));
  expect(await database.read({ sql: "select value from numbers", args: [] })).toEqual([[1], [5]]);
});

/** The number of events of each write, for clients that each append again once they are answered. */
async function groupSizes(clients: number, appendsEach: number): Promise<number[]> {
  const sizes: number[] = [];
  const database = distantDatabase((statements) => {
    // On a busy machine two writes arrive together, and share a transaction.
    for (const { sql, args } of statements) {
      if (sql === INSERT_EVENTS || sql === INSERT_UNREAD_EVENTS)
        sizes.push((JSON.parse(String(args.at(-1))) as unknown[]).length);
    }
    return null;
  });
  const app = await openApp({ database });
  const append = async (client: number) => {
    for (let number = 0; number < appendsEach; number += 1) {
      const body = { events: [{ type: "Counted", data: number }] };
      const { status } = await app.fetch(`/streams/s-${client}`, jsonPost(body));
      expect(status).toBe(201);
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, client) => append(client)));
  await app.close();
  return sizes;
}

test("one half of many concurrent appends is written while the other is answered", async () => {
  const sizes = await groupSizes(80, 4);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(320);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(40);
  expect(sizes.length).toBeLessThan(20);
});

test("a few concurrent appends share a commit", async () => {
  const sizes = await groupSizes(16, 1);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(16);
  expect(sizes.length).toBeLessThanOrEqual(2);
});

test(
  "appends that were planned on a failed write are planned again, and none is lost or torn",
  () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 20, maxLength: 160 }),
        // Clients that each wait for an answer: enough to keep several groups in flight, or to share them.
        fc.constantFrom(12, 64),
        fc.infiniteStream(fc.constantFrom("none", "none", "none", "conflict", "full")),
        async (streams, clientCount, faults) => {
          let armed = false;
          const database = distantDatabase(() => {
            const fault = armed ? faults.next().value : "none";
            if (fault === "conflict") return new Error("UNIQUE constraint failed: events.subject");
            return fault === "full" ? new Error("database or disk is full") : null;
          });
          const app = await openApp({ database });
          armed = true;
          const append = async (stream: number | undefined, number: number) => {
            // Clients start at different times, so that some append while a group is in flight.
            await new Promise((resolve) => setTimeout(resolve, number % 5));
            const body = { events: [{ type: "Counted", data: number }] };
            const response = await app.fetch(`/streams/s-${stream}`, jsonPost(body));
            return {
              number,
              status: response.status,
              body: (await response.json()) as { position?: number },
            };
          };
          const clients = Array.from({ length: clientCount }, async (_, client) => {
            const answers: Awaited<ReturnType<typeof append>>[] = [];
            for (let number = client; number < streams.length; number += clientCount) {
              answers.push(await append(streams[number], number));
            }
            return answers;
          });
          const answers = (await Promise.all(clients)).flat();
          armed = false;

          const log = await app.get("/events");
          expect(log.map(({ id }) => Number(id))).toEqual(log.map((_, index) => index + 1));
          const versions = new Map<string, number>();
          for (const { subject, sequence } of log) {
            expect(Number(sequence)).toBe((versions.get(subject) ?? 0) + 1);
            versions.set(subject, Number(sequence));
          }
          const written = answers.filter(({ status }) => status === 201);
          expect(answers.every(({ status }) => status === 201 || status === 507)).toBe(true);
          expect(log.map(({ data }) => Number(data)).sort((a, b) => a - b)).toEqual(
            written.map(({ number }) => number).sort((a, b) => a - b),
          );
          for (const { number, body } of written) expect(log[(body.position ?? 0) - 1]?.data).toBe(number);
          await app.close();
        },
      ),
      { numRuns: 30 },
    ),
  60_000,
);
