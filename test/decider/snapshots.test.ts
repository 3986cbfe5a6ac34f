import { afterEach, beforeEach, describe, expect, test } from "bun:test";

import {
  createCommandHandler,
  type Snapshot,
  type SnapshotKey,
  type SnapshotPolicy,
  snapshotStream,
  type SnapshotStore,
  streamSnapshots,
} from "../../src/decider/index.ts";
import type { SnapshotStreams } from "../../src/decider/stream-snapshots.ts";
import { openApp, type TestApp } from "../support/app.ts";
import { type Account, account, type AccountDecider } from "./account.ts";
import { all, watchedClient, type WatchedClient } from "./support.ts";
import { runsOn } from "../support/tested-on.ts";

runsOn(["memory", "sqld", "worker"]);

let app: TestApp;
let watched: WatchedClient;
let snapshotErrors: { error: unknown; key: SnapshotKey }[];
beforeEach(async () => {
  app = await openApp();
  watched = watchedClient(app);
  snapshotErrors = [];
});
afterEach(async () => {
  await app.close();
});

const policy: SnapshotPolicy<Account> = { name: "account", schemaVersion: 1, every: 10 };
const kept = (changes: Partial<SnapshotPolicy<Account>> = {}): AccountDecider => ({
  ...account,
  snapshot: { ...policy, ...changes },
});
const key: SnapshotKey = { name: "account", schemaVersion: 1, stream: "a" };
const deposit = (cents: number) => ({ type: "Deposit", cents }) as const;

/** A handler without cached states: another process. */
const handler = (snapshots: SnapshotStore = streamSnapshots(watched.client)) =>
  createCommandHandler({
    store: watched.client,
    snapshots,
    onSnapshotError: (error, of) => snapshotErrors.push({ error, key: of }),
  });

async function fill(events: number, decider = kept()): Promise<void> {
  const { handle, settle } = handler();
  for (let count = 0; count < events; count += 1) await handle("a", decider, deposit(1));
  await settle();
}

async function readBy(work: () => Promise<unknown>): Promise<number> {
  const before = watched.eventsRead();
  await work();
  return watched.eventsRead() - before;
}

describe("a stored snapshot", () => {
  test("replaces a read of the events before it", async () => {
    await fill(25);
    const { handle } = handler();
    // The snapshot of version 20, and five events.
    expect(await readBy(() => handle("a", kept(), deposit(0)))).toBe(6);
    expect(await handle("a", kept(), { type: "Withdraw", cents: 25 })).toMatchObject({ version: 26 });
  });

  test("replaces the one before, in a stream of its own", async () => {
    await fill(35);
    const events = await all(watched.client.read({ stream: snapshotStream(key) }));
    expect(events.map(({ data }) => data)).toEqual([{ version: 30, state: { owner: null, cents: 30 } }]);
  });

  test("is stored for a stream that was long before the first snapshot", async () => {
    await fill(15, account);
    const { handle, settle } = handler();
    await expect(handle("a", kept(), { type: "Withdraw", cents: 99 })).rejects.toThrow("only 15 left");
    await settle();
    expect(await readBy(() => handler().handle("a", kept(), deposit(0)))).toBe(1);
  });

  test("is neither read nor removed when it has another schema version", async () => {
    await fill(20);
    const doubled: AccountDecider = {
      ...kept({ schemaVersion: 2 }),
      evolve: (state, event) =>
        event.type === "Deposited"
          ? { ...state, cents: state.cents + 2 * event.data.cents }
          : account.evolve(state, event),
    };
    const { handle, settle } = handler();
    expect((await handle("a", doubled, deposit(0))).state.cents).toBe(40);
    await settle();
    for (const [decider, cents] of [
      [kept(), 20],
      [doubled, 40],
    ] as const) {
      const once = handler();
      const read = await readBy(async () => {
        expect((await once.handle("a", decider, deposit(0))).state.cents).toBe(cents);
      });
      expect(read).toBe(1);
    }
  });

  test("lets the stream be truncated behind it", async () => {
    await fill(23);
    await watched.client.truncate("a", 21);
    expect((await handler().handle("a", kept(), deposit(0))).state.cents).toBe(23);
    await expect(handler().handle("a", kept({ schemaVersion: 2 }), deposit(0))).rejects.toMatchObject({
      code: "stream-truncated",
      message:
        'The stream "a" was truncated, and no snapshot of account, version 2, covers the missing events',
    });
    await watched.client.truncate("a", 22);
    await expect(handler().handle("a", kept(), deposit(0))).rejects.toMatchObject({
      code: "stream-truncated",
    });
  });

  test("is removed when the stream is found to be erased, by memory and by a new process", async () => {
    for (const remembers of [true, false]) {
      const decider = { ...kept(), erased: "restart" } as const;
      const one = handler();
      for (let count = 0; count < 10; count += 1) await one.handle("a", decider, deposit(1));
      await one.settle();
      await watched.client.erase("a", "asked to be forgotten");
      const next = remembers ? one : handler();
      expect((await next.handle("a", decider, deposit(0))).state.cents).toBe(0);
      const [left, ...others] = await all(watched.client.read({ stream: snapshotStream(key) }));
      expect([left?.erased, others.length]).toEqual([true, 0]);
      // A snapshot of the new events is stored again.
      for (let count = 0; count < 10; count += 1) await next.handle("a", decider, deposit(3));
      await next.settle();
      expect(await readBy(() => handler().handle("a", decider, deposit(0)))).toBeLessThan(10);
    }
  });

  test("is gone where another process has erased it meanwhile", async () => {
    const { client } = watched;
    await streamSnapshots(client).save(key, { version: 10, state: 1 });
    const slower: SnapshotStreams = {
      ...client,
      async erase(stream, reason) {
        await client.erase(stream, reason);
        return client.erase(stream, reason);
      },
    };
    await streamSnapshots(slower).remove(key);
    expect(await streamSnapshots(client).load(key)).toBeNull();
  });

  test("does not replace a newer one", async () => {
    const snapshots = streamSnapshots(watched.client);
    await snapshots.save(key, { version: 20, state: 2 });
    await snapshots.save(key, { version: 10, state: 1 });
    expect(await snapshots.load(key)).toEqual({ version: 20, state: 2, logIdentity: expect.any(String) });
  });

  test("remains the only one, also when many are stored at once", async () => {
    const snapshots = streamSnapshots(watched.client);
    await Promise.all([1, 2, 3, 4, 5].map((version) => snapshots.save(key, { version, state: version })));
    const stored = await snapshots.load(key);
    expect(stored?.state).toBe(stored?.version ?? 0);
    expect((await all(watched.client.read({ stream: snapshotStream(key) }))).length).toBe(1);
  });
});

describe("a state that is not a JSON value", () => {
  interface Seen {
    readonly types: ReadonlySet<string>;
  }
  const seen = {
    initial: { types: new Set<string>() } as Seen,
    decide: (type: string) => ({ type }),
    evolve: ({ types }: Seen, { type }: { type: string }) => ({ types: new Set([...types, type]) }),
  };

  test("is not stored, and the command is done", async () => {
    const { handle, settle } = handler();
    const decider = { ...seen, snapshot: { name: "seen", schemaVersion: 1, every: 1 } };
    expect((await handle("s", decider, "A")).version).toBe(1);
    await settle();
    expect(snapshotErrors).toHaveLength(1);
    expect(String(snapshotErrors[0]?.error)).toMatch(
      /seen is not a JSON value: \/types is a Set.*`encode` and `decode`/,
    );
    expect(snapshotErrors[0]?.key).toEqual({ name: "seen", schemaVersion: 1, stream: "s" });
  });

  test("is stored by its own encoding", async () => {
    const decider = {
      ...seen,
      snapshot: {
        name: "seen",
        schemaVersion: 1,
        every: 2,
        encode: ({ types }: Seen) => [...types],
        decode: (stored: unknown) => ({ types: new Set(stored as string[]) }),
      },
    };
    const first = handler();
    for (const type of ["A", "B", "C"]) await first.handle("s", decider, type);
    await first.settle();
    const { handle, settle } = handler();
    expect((await handle("s", decider, "D")).state.types).toEqual(new Set(["A", "B", "C", "D"]));
    await settle();
    expect(snapshotErrors).toEqual([]);
  });
});

test("a snapshot that cannot be stored fails no command", async () => {
  const broken: SnapshotStore = {
    load: () => Promise.resolve(null),
    save: () => Promise.reject(new Error("the disk is full")),
    remove: () => Promise.resolve(),
  };
  const { handle, settle } = handler(broken);
  const decider = kept();
  for (let count = 0; count < 25; count += 1) await handle("a", decider, deposit(1));
  await settle();
  // Tried again after as many events, and not with each command.
  expect(snapshotErrors).toHaveLength(2);
});

test("a snapshot that is still being stored does not outlive the erasure of its stream", async () => {
  const stored = new Map<string, Snapshot>();
  const opened = Promise.withResolvers<void>();
  const slow: SnapshotStore = {
    load: ({ stream }) => Promise.resolve(stored.get(stream) ?? null),
    async save({ stream }, snapshot) {
      await opened.promise;
      stored.set(stream, snapshot);
    },
    remove: ({ stream }) => Promise.resolve(void stored.delete(stream)),
  };
  const { handle, settle } = handler(slow);
  const decider = kept();
  for (let count = 0; count < 10; count += 1) await handle("a", decider, deposit(1));
  await watched.client.erase("a", "asked for");
  const refused = handle("a", decider, deposit(1)).catch((error: unknown) => error);
  await Bun.sleep(20);
  opened.resolve();
  expect(await refused).toMatchObject({ code: "stream-erased" });
  await settle();
  expect([...stored.keys()]).toEqual([]);
});
