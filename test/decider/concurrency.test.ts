import { expect, test } from "bun:test";

import fc from "fast-check";

import { createClient } from "../../src/client/index.ts";
import {
  type CommandHandler,
  createCommandHandler,
  type Decider,
  KildeError,
  streamSnapshots,
} from "../../src/decider/index.ts";
import { file, memory, threadedFile } from "../support/app.ts";
import { startServer } from "../support/process.ts";
import { nodeOf, openCluster, withCluster } from "../support/store.ts";
import { runsOn } from "../support/tested-on.ts";

runsOn(["memory", "sqld"]);

/**
 * Every event holds the state that its command was decided on: the number and the sum of the events before it. So an
 * event that was decided on another state than the one it was appended to is detected, and so is a lost update.
 */

interface Added {
  readonly type: "Added";
  readonly data: { readonly after: number; readonly sum: number; readonly amount: number };
}

interface Sum {
  readonly count: number;
  readonly sum: number;
}

interface Add {
  /** One event each. */
  readonly amounts: readonly number[];
  /** Refused beyond it. */
  readonly most: number;
}

const REFUSED = "that is too much";

const adder: Decider<Add, Added, Sum> = {
  initial: { count: 0, sum: 0 },
  decide({ amounts, most }, { count, sum }) {
    const total = amounts.reduce((left, right) => left + right, sum);
    if (total > most) throw new Error(REFUSED);
    let before = sum;
    return amounts.map((amount, index): Added => {
      const data = { after: count + index, sum: before, amount };
      before += amount;
      return { type: "Added", data };
    });
  },
  evolve: ({ count, sum }, { data }) => ({ count: count + 1, sum: sum + data.amount }),
  snapshot: { name: "sum", schemaVersion: 1, every: 5 },
};

interface Planned extends Add {
  /** Which handler, and which stream. */
  readonly handler: number;
  readonly stream: number;
  /** Sent so often at once, under one key; 0: once, without. */
  readonly repeats: number;
}

const command: fc.Arbitrary<Planned> = fc.record({
  amounts: fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 3 }),
  most: fc.integer({ min: 20, max: 200 }),
  handler: fc.nat({ max: 3 }),
  stream: fc.nat({ max: 1 }),
  repeats: fc.nat({ max: 3 }),
});

/** Commands that are given together; those after wait for them. */
const rounds = fc.array(fc.array(command, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 4 });

const deployments = [
  { deployment: memory, nodes: 1 },
  { deployment: file, nodes: 2 },
  { deployment: threadedFile, nodes: 2 },
];

for (const { deployment, nodes } of deployments) {
  test(`commands at once are decided one after the other (${deployment.name}, ${nodes} servers)`, async () => {
    await fc.assert(
      fc.asyncProperty(rounds, async (planned) => {
        await withCluster(
          () => openCluster(deployment, nodes),
          async (cluster) => {
            const clients = [0, 1, 2, 3].map((number) =>
              createClient({
                url: "http://kilde.test",
                fetch: (url, init) =>
                  nodeOf(cluster, number).fetch(url.slice("http://kilde.test".length), init),
              }),
            );
            const handlers = clients.map((store, number): CommandHandler =>
              createCommandHandler({
                store,
                retry: { attempts: 1_000, delayMs: 0 },
                // Of each kind one: with and without memory, with and without snapshots.
                rememberedStreams: number % 2 === 0 ? 10 : 0,
                ...(number < 2 ? { snapshots: streamSnapshots(store) } : {}),
              }),
            );
            const appended = new Map<string, number>();
            let commands = 0;
            for (const round of planned) {
              await Promise.all(
                round.map(async ({ amounts, most, handler, stream: at, repeats }) => {
                  commands += 1;
                  const idempotencyKey = `command-${commands}`;
                  const stream = `sum-${at}`;
                  const times = Math.max(1, repeats);
                  const results = await Promise.all(
                    Array.from({ length: times }, (_, time) =>
                      (handlers[(handler + time) % 4] ?? never())
                        .handle(stream, adder, { amounts, most }, repeats === 0 ? {} : { idempotencyKey })
                        .catch((error: unknown) => {
                          if (error instanceof Error && error.message === REFUSED) return null;
                          throw error;
                        }),
                    ),
                  );
                  const done = results.filter((result) => result !== null);
                  const versions = new Set(done.map(({ version }) => version));
                  if (amounts.length === 0) return;
                  // A repeated command takes effect once.
                  expect(versions.size).toBeLessThanOrEqual(1);
                  for (const { events } of done) {
                    expect(events.map(({ data }) => data.amount)).toEqual([...amounts]);
                  }
                  if (versions.size === 1) appended.set(stream, (appended.get(stream) ?? 0) + amounts.length);
                }),
              );
            }
            for (const { settle } of handlers) await settle();
            for (const stream of ["sum-0", "sum-1"]) {
              const events: Added["data"][] = [];
              if (appended.has(stream)) {
                for await (const { data } of (clients[0] ?? never()).read<Added["data"]>({ stream }))
                  events.push(data);
              }
              let sum = 0;
              for (const [index, data] of events.entries()) {
                expect(data).toMatchObject({ after: index, sum });
                sum += data.amount;
              }
              expect(events.length).toBe(appended.get(stream) ?? 0);
              // Every handler reaches the same state in the end.
              for (const { handle } of handlers) {
                const { state } = await handle(stream, adder, { amounts: [], most: 1_000_000 });
                expect(state).toEqual({ count: events.length, sum });
              }
            }
            for (const { settle } of handlers) await settle();
          },
        );
      }),
      { numRuns: 20 },
    );
  }, 60_000);
}

function never(): never {
  throw new Error("there are four");
}

test("a storm of conflicts is weathered, without a lost update", async () => {
  await withCluster(
    () => openCluster(file, 2),
    async (cluster) => {
      const handlers = Array.from({ length: 12 }, (_, number) =>
        createCommandHandler({
          store: createClient({
            url: "http://kilde.test",
            fetch: (url, init) => nodeOf(cluster, number).fetch(url.slice("http://kilde.test".length), init),
          }),
          retry: { attempts: 200, delayMs: 1, maxDelayMs: 20 },
        }),
      );
      const add = { amounts: [1], most: Number.POSITIVE_INFINITY };
      await Promise.all(
        handlers.flatMap(({ handle }) => Array.from({ length: 10 }, () => handle("storm", adder, add))),
      );
      const [first] = handlers;
      expect((await first?.handle("storm", adder, { ...add, amounts: [] }))?.state).toEqual({
        count: 120,
        sum: 120,
      });
    },
  );
}, 60_000);

test("several services over real HTTP lose nothing to each other", async () => {
  const server = await startServer(":memory:");
  try {
    const handlers = Array.from({ length: 4 }, () =>
      createCommandHandler({ store: createClient({ url: server.url }), retry: { attempts: 100 } }),
    );
    const add = { amounts: [1, 2], most: 3 * 60 };
    const results = await Promise.allSettled(
      handlers.flatMap(({ handle }, at) =>
        Array.from({ length: 20 }, (_, count) =>
          handle("shared", adder, add, { idempotencyKey: `service-${at}-${count}` }),
        ),
      ),
    );
    // Sixty of eighty fit, in any order.
    const done = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    expect(done).toHaveLength(60);
    expect(new Set(done.map(({ version }) => version)).size).toBe(60);
    expect(
      new Set(results.flatMap((result) => (result.status === "rejected" ? [String(result.reason)] : []))),
    ).toEqual(new Set([`Error: ${REFUSED}`]));
    const [first] = handlers;
    const { state } = (await first?.handle("shared", adder, { ...add, amounts: [] })) ?? never();
    expect(state).toEqual({ count: 120, sum: 180 });
  } finally {
    await server.kill("SIGTERM");
  }
}, 60_000);

test("commands to one stream by one handler do not conflict", async () => {
  await withCluster(
    () => openCluster(memory, 1),
    async (cluster) => {
      let conflicts = 0;
      const { handle } = createCommandHandler({
        store: createClient({
          url: "http://kilde.test",
          async fetch(url, init) {
            const response = await nodeOf(cluster, 0).fetch(url.slice("http://kilde.test".length), init);
            if (response.status === 409) conflicts += 1;
            return response;
          },
        }),
        retry: { attempts: 1 },
      });
      const add = { amounts: [1], most: Number.POSITIVE_INFINITY };
      await Promise.all(Array.from({ length: 50 }, () => handle("s", adder, add)));
      expect(conflicts).toBe(0);
      const most = handle("s", adder, { amounts: [1], most: 50 });
      await expect(most).rejects.toThrow(REFUSED);
      await expect(most).rejects.not.toBeInstanceOf(KildeError);
    },
  );
});
