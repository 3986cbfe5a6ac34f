import { afterEach, beforeEach, describe, expect, test } from "bun:test";

import { createCommandHandler, type Decider, KildeError } from "../../src/decider/index.ts";
import { openApp, type TestApp } from "../support/app.ts";
import { account } from "./account.ts";
import { all, lostAnswer, watchedClient, type WatchedClient } from "./support.ts";
import { runsOn } from "../support/tested-on.ts";

runsOn(["memory", "sqld", "worker"]);

let app: TestApp;
let watched: WatchedClient;
beforeEach(async () => {
  app = await openApp();
  watched = watchedClient(app);
});
afterEach(() => app.close());

const still = { sleep: () => Promise.resolve(), random: () => 0 };
const handler = () => createCommandHandler({ store: watched.client, ...still });
const open = { type: "Open", owner: "Ida" } as const;
const deposit = (cents: number) => ({ type: "Deposit", cents }) as const;
const withdraw = (cents: number) => ({ type: "Withdraw", cents }) as const;

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (error instanceof KildeError) return error.code;
  throw new Error(`no KildeError: ${String(error)}`);
}

describe("a command", () => {
  test("is decided on the folded state, and its events are appended", async () => {
    const { handle } = handler();
    expect(await handle("a", account, open)).toEqual({
      events: [{ type: "Opened", data: { owner: "Ida" } }],
      version: 1,
      position: 1,
      state: { owner: "Ida", cents: 0 },
    });
    await handle("a", account, deposit(5));
    const metadata = { correlationId: "c", actor: "Bo" };
    const { version, state } = await handle("a", account, withdraw(3), { metadata });
    expect([version, state.cents]).toEqual([3, 2]);
    const events = await all(watched.client.read({ stream: "a" }));
    expect(events.map(({ type }) => type)).toEqual(["Opened", "Deposited", "Withdrawn"]);
    expect(events[2]?.metadata).toEqual(metadata);
  });

  test("appends nothing when it decides no event", async () => {
    const { handle } = handler();
    expect(await handle("a", account, deposit(0))).toEqual({
      events: [],
      version: 0,
      position: null,
      state: account.initial,
    });
    expect(await watched.client.head()).toBe(0);
  });

  test("throws the error of decide when it is rejected", async () => {
    await expect(handler().handle("a", account, withdraw(1))).rejects.toThrow("only 0 left");
    expect(await watched.client.head()).toBe(0);
  });

  test("takes one request when the stream is remembered", async () => {
    const { handle } = handler();
    await handle("a", account, open);
    watched.requests.length = 0;
    await handle("a", account, deposit(1));
    expect(watched.requests).toEqual(["POST /streams/a"]);
  });

  test("is not decided before it was aborted", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(handler().handle("a", account, open, { signal })).rejects.toThrow("enough");
    expect(await watched.client.head()).toBe(0);
  });

  test("has the state that a reader will fold from the stored JSON", async () => {
    interface At {
      readonly type: "At";
      readonly data: { readonly when: unknown };
    }
    const dated: Decider<Date, At, unknown> = {
      initial: null,
      decide: (when) => ({ type: "At", data: { when } }),
      evolve: (_state, event) => event.data,
    };
    const { state } = await handler().handle("d", dated, new Date(0));
    expect(state).toEqual({ when: "1970-01-01T00:00:00.000Z" });
    expect((await handler().handle("d", { ...dated, decide: () => [] }, new Date(1))).state).toEqual(state);
  });
});

describe("an append of another writer", () => {
  test("is read before a cached state rejects a command, and before a command appends nothing", async () => {
    const { handle } = handler();
    await handle("a", account, open);
    await watched.client.append("a", { type: "Deposited", data: { cents: 7 } });
    expect((await handle("a", account, withdraw(7))).state.cents).toBe(0);
    await watched.client.append("a", { type: "Deposited", data: { cents: 9 } });
    expect(await handle("a", account, deposit(0))).toMatchObject({ version: 4, state: { cents: 9 } });
  });

  test("is read after the cached version, before the command is decided again", async () => {
    const { handle } = handler();
    for (const cents of [10, 10, 10]) await handle("a", account, deposit(cents));
    await watched.client.append("a", { type: "Withdrawn", data: { cents: 25 } });
    const before = watched.eventsRead();
    // On the remembered state it would have been allowed.
    await expect(handle("a", account, withdraw(20))).rejects.toThrow("only 5 left");
    expect(watched.eventsRead() - before).toBe(1);
  });

  test("ends in a version-conflict that counts the attempts when it happens during each of them", async () => {
    const waits: number[] = [];
    const { handle } = createCommandHandler({
      store: {
        ...watched.client,
        async append(stream, events, options) {
          await watched.client.append(stream, { type: "Deposited", data: { cents: 1 } });
          return watched.client.append(stream, events, options);
        },
      },
      retry: { attempts: 4, delayMs: 10, maxDelayMs: 15 },
      sleep: (ms) => Promise.resolve(waits.push(ms)).then(() => {}),
      random: () => 1,
    });
    const failed = handle("a", account, open);
    await expect(failed).rejects.toThrow(
      /Other writers appended to the stream "a" during each of 4 attempts/,
    );
    expect(await codeOf(failed)).toBe("version-conflict");
    expect(waits).toEqual([10, 15]);
    expect((await all(watched.client.read({ stream: "a", types: ["Opened"] }))).length).toBe(0);
  });

  test("is not clobbered when the log is another one than before", async () => {
    const { handle } = handler();
    for (const cents of [1, 2, 3]) await handle("a", account, deposit(cents));
    const other = await openApp();
    try {
      await other.append("a", { type: "Deposited", data: { cents: 50 } });
      watched.faults.push(
        (path, init) => other.fetch(path, init),
        (path, init) => other.fetch(path, init),
        (path, init) => other.fetch(path, init),
        (path, init) => other.fetch(path, init),
      );
      expect(await handle("a", account, deposit(1))).toMatchObject({ version: 2, state: { cents: 51 } });
    } finally {
      await other.close();
    }
  });
});

describe("a type that evolve does not know", () => {
  beforeEach(() => app.append("a", { type: "Deposited", data: { cents: 4 } }, { type: "Audited" }));

  test("is ignored when evolve returns the state", async () => {
    expect((await handler().handle("a", account, withdraw(4))).version).toBe(3);
  });

  test("fails the command when it throws", async () => {
    const strict: typeof account = {
      ...account,
      evolve(state, event) {
        if ((event.type as string) === "Audited") throw new Error("what is Audited?");
        return account.evolve(state, event);
      },
    };
    await expect(handler().handle("a", strict, deposit(1))).rejects.toThrow("what is Audited?");
  });

  test("fails the command, with a remedy, when evolve returns undefined", async () => {
    const forgetful = { ...account, evolve: () => undefined as unknown as typeof account.initial };
    await expect(handler().handle("a", forgetful, deposit(1))).rejects.toThrow(
      /evolve returned no state for an event of type "Deposited": return the state unchanged/,
    );
    expect(await watched.client.head()).toBe(2);
  });

  test("is not appended if the same decider cannot fold it", async () => {
    const half = { ...account, evolve: () => undefined as unknown as typeof account.initial };
    await expect(handler().handle("new", half, open)).rejects.toThrow(/"Opened"/);
    expect(await watched.client.head()).toBe(2);
  });
});

describe("an idempotency key", () => {
  test("makes a command take effect once, in the process that has it cached and in another", async () => {
    const { handle } = handler();
    const first = await handle("a", account, open, { idempotencyKey: "k" });
    expect(await handle("a", account, open, { idempotencyKey: "k" })).toEqual(first);
    await handle("a", account, deposit(3));
    for (const again of [handle, handler().handle]) {
      expect(await again("a", account, open, { idempotencyKey: "k" })).toEqual({
        ...first,
        state: { owner: "Ida", cents: 3 },
      });
    }
    expect(await watched.client.head()).toBe(2);
  });

  test("makes a command take effect once that would be decided each time", async () => {
    const first = await handler().handle("a", account, deposit(3), { idempotencyKey: "k" });
    await handler().handle("a", account, deposit(4));
    const metadata = { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" };
    const again = await handler().handle("a", account, deposit(3), { idempotencyKey: "k", metadata });
    expect(again).toEqual({ ...first, state: { owner: null, cents: 7 } });
    expect(await watched.client.head()).toBe(2);
  });

  test("makes a command take effect once whose answers were all lost", async () => {
    const { handle } = handler();
    for (let times = 0; times < 5; times += 1) watched.faults.push(lostAnswer(app));
    watched.faults.unshift(() => undefined);
    await expect(handle("a", account, deposit(3), { idempotencyKey: "k" })).rejects.toThrow("No answer");
    const { version, state } = await handle("a", account, deposit(3), { idempotencyKey: "k" });
    expect([version, state.cents]).toEqual([1, 3]);
    expect(await watched.client.head()).toBe(1);
  });

  test("is not used up by a command that was refused", async () => {
    const { handle } = handler();
    await expect(handle("a", account, withdraw(3), { idempotencyKey: "k" })).rejects.toThrow("only 0");
    await handle("a", account, deposit(3));
    expect((await handle("a", account, withdraw(3), { idempotencyKey: "k" })).version).toBe(2);
  });

  test("is refused when an append to another stream has used it", async () => {
    const { handle } = handler();
    await handle("a", account, open, { idempotencyKey: "k" });
    expect(await codeOf(handle("b", account, open, { idempotencyKey: "k" }))).toBe("idempotency-key-reused");
    expect(await watched.client.head()).toBe(1);
  });
});

describe("a stream that was erased", () => {
  beforeEach(async () => {
    await handler().handle("a", account, open);
    await handler().handle("a", account, deposit(10));
  });

  test("rejects commands", async () => {
    const { handle } = handler();
    await handle("a", account, deposit(1));
    await watched.client.erase("a", "asked to be forgotten");
    for (const { handle: again } of [{ handle }, handler()]) {
      expect(await codeOf(again("a", account, deposit(1)))).toBe("stream-erased");
      expect(await codeOf(again("a", account, withdraw(99)))).toBe("stream-erased");
    }
  });

  test("begins again if the decider restarts, with the initial state", async () => {
    const restarting = { ...account, erased: "restart" } as const;
    const { handle } = handler();
    await handle("a", restarting, deposit(1));
    await watched.client.erase("a", "asked to be forgotten");
    expect(await handle("a", restarting, { type: "Open", owner: "Bo" })).toMatchObject({
      version: 5,
      state: { owner: "Bo", cents: 0 },
    });
    // An erased stream is folded like any other afterwards.
    expect((await handler().handle("a", account, deposit(2))).state).toEqual({ owner: "Bo", cents: 2 });
  });
});

describe("a stream that was truncated", () => {
  test("is rejected without its first events, and continues from a cached state", async () => {
    const { handle } = handler();
    for (const cents of [1, 2, 3]) await handle("a", account, deposit(cents));
    await watched.client.truncate("a", 3);
    expect(await codeOf(handler().handle("a", account, deposit(1)))).toBe("stream-truncated");
    expect((await handle("a", account, deposit(4))).state.cents).toBe(10);
    // Also beyond the cached state.
    await app.append(
      "a",
      { type: "Deposited", data: { cents: 1 } },
      { type: "Deposited", data: { cents: 1 } },
    );
    await watched.client.truncate("a", 6);
    expect(await codeOf(handle("a", account, withdraw(1_000)))).toBe("stream-truncated");
  });
});

test("a handler that caches few streams, or none, decides like one that caches all", async () => {
  for (const rememberedStreams of [0, 1, 2]) {
    const { handle } = createCommandHandler({ store: watched.client, rememberedStreams });
    for (const stream of ["x", "y", "z", "x", "z", "y"]) await handle(stream, account, deposit(1));
  }
  const { handle } = handler();
  for (const stream of ["x", "y", "z"]) {
    expect(await handle(stream, account, withdraw(6))).toMatchObject({ version: 7, state: { cents: 0 } });
  }
});

test("two deciders of one stream do not get each other's state", async () => {
  const counter: Decider<"count", { type: string }, number> = {
    initial: 0,
    decide: () => [],
    evolve: (count) => count + 1,
  };
  const { handle } = handler();
  await handle("a", account, open);
  expect((await handle("a", counter, "count")).state).toBe(1);
  await handle("a", account, deposit(2));
  expect((await handle("a", counter, "count")).state).toBe(2);
  expect((await handle("a", account, deposit(2))).state.cents).toBe(4);
});
