import { expect, test } from "bun:test";
import fc from "fast-check";

import type { Clock } from "../../../src/core/clock.ts";
import { createDeadlines } from "../../../src/core/deadlines.ts";
import type { Database, Row, Statement } from "../../../src/storage/database.ts";
import { storageFailure } from "../../../src/storage/failures.ts";
import { openDatabase } from "../../../src/storage/open.ts";
import {
  createWriteServer,
  createThreadWrites,
  THREAD_DEADLINE_MS,
} from "../../../src/storage/writer/thread-writes.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import { channel } from "../../support/channel.ts";

const CREATE = [
  { sql: "create table numbers (value integer primary key autoincrement, number unique, text)", args: [] },
];
const READ = { sql: "select value, number from numbers order by value", args: [] };

/** Inserts rows with unique numbers; if one number is taken, none of them is inserted. */
function insert(numbers: readonly number[], characters = 10): Statement[] {
  const sql = "insert into numbers (number, text) values (?, ?) returning number";
  return numbers.map((number) => ({ sql, args: [number, "x".repeat(characters)] }));
}

/** A database in memory, with `senders` ports that write it, and a count of its transactions. */
function served(senders: number, writeMs = 0, turns?: Pick<Clock, "yield">) {
  const database = openDatabase({ url: ":memory:" });
  let transactions = 0;
  const server = createWriteServer(async (statements) => {
    transactions += 1;
    await Bun.sleep(writeMs);
    return database.write(statements);
  }, systemClock);
  const writes = Array.from({ length: senders }, (): Database["write"] => {
    const [here, there] = channel();
    server.serve(there);
    return createThreadWrites(here, createDeadlines(systemClock, THREAD_DEADLINE_MS), turns).write;
  });
  return { database, writes, transactions: () => transactions, settled: () => server.settled() };
}

test("small writes of several senders that are queued together share one commit", async () => {
  const { database, writes, transactions } = served(3);
  await database.write(CREATE);
  const rows = await Promise.all(writes.map((write, index) => write(insert([index * 2, index * 2 + 1]))));
  expect(rows).toEqual([
    [[[0]], [[1]]],
    [[[2]], [[3]]],
    [[[4]], [[5]]],
  ]);
  expect(transactions()).toBe(1);
});

test("large writes that are queued together do not delay each other", async () => {
  const { database, writes, transactions } = served(3);
  await database.write(CREATE);
  await Promise.all(writes.map((write, index) => write(insert([index], 30_000))));
  expect(transactions()).toBe(3);
});

test("writes that one sender sends together share one commit, up to a limit", async () => {
  const { database, writes, transactions } = served(1, 0, systemClock);
  const [write] = writes;
  await database.write(CREATE);
  await Promise.all([1, 2, 3, 4].map((number) => write?.(insert([number], 45_000))));
  expect(transactions()).toBe(1);
  await Promise.all([5, 6, 7, 8].map((number) => write?.(insert([number], 90_000))));
  expect(transactions()).toBe(3);
});

test("a write that fails voids none of those that are sent together with it, or after it", async () => {
  const { database, writes } = served(1, 0, systemClock);
  const [write] = writes;
  await database.write(CREATE);
  const send = (number: number) => write?.(insert([number]));
  const sent = [send(1), send(1), send(2)];
  await systemClock.yield();
  sent.push(send(3));
  const outcomes = await Promise.allSettled(sent);
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled", "fulfilled"]);
});

test("the write server settles after all queued writes", async () => {
  const { database, writes, settled } = served(2, 30);
  await database.write(CREATE);
  const sent = writes.flatMap((write, index) => [
    write(insert([index])),
    write(insert([index + 10], 30_000)),
  ]);
  await Bun.sleep(10);
  await settled();
  expect(await database.read({ sql: "select count(*) from numbers", args: [] })).toEqual([[4]]);
  await Promise.all(sent);
});

interface Write {
  readonly sender: number;
  readonly numbers: readonly number[];
  readonly characters: number;
}

type Outcome = readonly (readonly Row[])[] | "conflict";

/** The outcome of writes that are all sent before one is answered, if they run one after the other. */
function oneByOne(writes: readonly Write[], table: Set<number>): Outcome[] {
  const failed = new Set<number>();
  return writes.map(({ sender, numbers }) => {
    const clash = new Set(numbers).size < numbers.length || numbers.some((number) => table.has(number));
    if (failed.has(sender) || clash) {
      failed.add(sender);
      return "conflict";
    }
    for (const number of numbers) table.add(number);
    return numbers.map((number) => [[number]]);
  });
}

test("writes that share commits have the same outcome as if they ran one after the other", () => {
  const write = fc.record({
    sender: fc.nat(2),
    numbers: fc.array(fc.nat(60), { minLength: 1, maxLength: 3 }),
    characters: fc.constantFrom(10, 10, 10, 10, 25_000),
  });
  const rounds = fc.array(fc.array(write, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 6 });
  return fc.assert(
    fc.asyncProperty(rounds, async (sent) => {
      const { database, writes } = served(3);
      await database.write(CREATE);
      const table = new Set<number>();
      for (const round of sent) {
        const outcomes = await Promise.all(
          round.map(async ({ sender, numbers, characters }): Promise<Outcome> => {
            try {
              return (await writes[sender]?.(insert(numbers, characters))) ?? [];
            } catch (error) {
              expect(storageFailure(error)).toBe("conflict");
              return "conflict";
            }
          }),
        );
        expect(outcomes).toEqual(oneByOne(round, table));
      }
      const stored = await database.read(READ);
      expect(stored.map(([, number]) => number)).toEqual([...table]);
      database.close();
    }),
    { numRuns: 150 },
  );
}, 60_000);
