import { afterEach, beforeEach, expect } from "bun:test";

import { createClient, KildeError } from "../../src/client/index.ts";
import {
  createCommandHandler,
  type Snapshot,
  type SnapshotKey,
  type SnapshotStore,
  streamSnapshots,
} from "../../src/decider/index.ts";
import { openRestorableApp, type RestorableApp } from "../support/restorable-app.ts";
import { runsOn, testInProcess } from "../support/tested-on.ts";
import { account } from "./account.ts";

runsOn(["memory", "sqld"]);

const URL = "http://kilde.test";

let server: RestorableApp;
beforeEach(async () => {
  server = await openRestorableApp();
});
afterEach(() => server.close());

const connect = () =>
  createClient({ url: URL, fetch: (url, init) => server.fetch(url.slice(URL.length), init) });

/** A snapshot store of the user's own, which a restore of the server leaves as it is. */
function ownSnapshots(): SnapshotStore & { readonly kept: Map<string, Snapshot> } {
  const kept = new Map<string, Snapshot>();
  const nameOf = ({ stream }: SnapshotKey) => stream;
  return {
    kept,
    load: async (key) => kept.get(nameOf(key)) ?? null,
    async save(key, snapshot) {
      const before = kept.get(nameOf(key));
      const isSame = before?.logIdentity === snapshot.logIdentity;
      if (!isSame || (before?.version ?? 0) < snapshot.version) kept.set(nameOf(key), snapshot);
    },
    async remove(key) {
      kept.delete(nameOf(key));
    },
  };
}

const deposit = (cents: number) => ({ type: "Deposit", cents }) as const;

const snapshotted = { ...account, snapshot: { name: "account", schemaVersion: 1, every: 3 } };

testInProcess("a decider reloads after a restore, and decides on the current log", async () => {
  const { handle } = createCommandHandler({ store: connect() });
  await handle("a", account, { type: "Open", owner: "ida" });
  await server.backup("backup");
  await handle("a", account, deposit(500));
  await server.restore("backup");
  // Another writer brings the stream to the version that the decider remembers, with other events.
  await connect().append("a", { type: "Deposited", data: { cents: 7 } });
  const { state, version } = await handle("a", account, deposit(1));
  expect({ state, version }).toMatchObject({ state: { cents: 8 }, version: 3 });
});

testInProcess("a command that appends nothing is not decided on a history that is gone", async () => {
  const { handle } = createCommandHandler({ store: connect() });
  await handle("a", account, { type: "Open", owner: "ida" });
  await server.backup("backup");
  await handle("a", account, deposit(500));
  await server.restore("backup");
  await connect().append("a", { type: "Deposited", data: { cents: 7 } });
  expect(handle("a", account, { type: "Withdraw", cents: 100 })).rejects.toThrow(/7/);
});

testInProcess(
  "a refusal is not based on a history that is gone, where its stream has the same version",
  async () => {
    const { handle } = createCommandHandler({ store: connect() });
    await handle("a", account, { type: "Open", owner: "ida" });
    await server.backup("backup");
    await handle("a", account, deposit(500));
    await server.restore("backup");
    await connect().append("a", { type: "Deposited", data: { cents: 2_000 } });
    const { state } = await handle("a", account, { type: "Withdraw", cents: 1_000 });
    expect(state).toMatchObject({ cents: 1_000 });
  },
);

testInProcess(
  "a stream that the decider began is not decided on a history that is gone, where its client knows",
  async () => {
    const store = connect();
    const { handle } = createCommandHandler({ store });
    await handle("a", account, { type: "Open", owner: "ida" });
    await server.backup("backup");
    await handle("a", account, deposit(500));
    await server.restore("backup");
    await connect().append("a", { type: "Deposited", data: { cents: 7 } });
    // Another part of the service learns of the restore first.
    await store.head();
    expect((await handle("a", account, deposit(1))).state).toMatchObject({ cents: 8 });
  },
);

testInProcess(
  "a snapshot of a history that is gone is ignored, also where it is ahead of the stream",
  async () => {
    const snapshots = ownSnapshots();
    const before = createCommandHandler({ store: connect(), snapshots });
    await before.handle("a", snapshotted, { type: "Open", owner: "ida" });
    await server.backup("backup");
    for (let n = 0; n < 5; n += 1) await before.handle("a", snapshotted, deposit(100));
    await before.settle();
    expect(snapshots.kept.size).toBe(1);
    await server.restore("backup");
    const after = createCommandHandler({ store: connect(), snapshots });
    const { state, version } = await after.handle("a", snapshotted, deposit(1));
    expect({ state, version }).toMatchObject({ state: { cents: 1 }, version: 2 });
    // One of an older program names no identity: it is ahead of the stream, and is given up at the first conflict.
    for (const [name, { logIdentity: _, ...snapshot }] of snapshots.kept) {
      snapshots.kept.set(name, { ...snapshot, version: 9 });
    }
    const again = createCommandHandler({ store: connect(), snapshots });
    expect((await again.handle("a", snapshotted, deposit(1))).state).toMatchObject({ cents: 2 });
  },
);

testInProcess("snapshots in streams are restored with the streams that they are of", async () => {
  const store = connect();
  const before = createCommandHandler({ store, snapshots: streamSnapshots(store) });
  await before.handle("a", snapshotted, { type: "Open", owner: "ida" });
  for (let n = 0; n < 5; n += 1) await before.handle("a", snapshotted, deposit(100));
  await before.settle();
  // Only the snapshot covers the earlier events.
  await store.truncate("a", 5);
  await server.backup("backup");
  await before.handle("a", snapshotted, deposit(100));
  await server.restore("backup");
  const fresh = connect();
  const after = createCommandHandler({ store: fresh, snapshots: streamSnapshots(fresh) });
  expect((await after.handle("a", snapshotted, deposit(1))).state).toMatchObject({ cents: 501 });
});

testInProcess(
  "a client's append that was decided before a restore is refused once, with where the histories part",
  async () => {
    const client = connect();
    await client.append("a", { type: "A" });
    await server.backup("backup");
    await client.append("a", { type: "A" });
    await server.restore("backup");
    const refused = await client.append("a", { type: "A" }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(KildeError);
    expect(refused).toMatchObject({ code: "log-restored", members: { parted: 1, head: 1 } });
    expect(await client.append("a", { type: "A" })).toMatchObject({ version: 2 });
    // An append that is based on no state passes `null`.
    await server.restore("backup");
    expect(await client.append("a", { type: "A" }, { logIdentity: null })).toMatchObject({ version: 2 });
  },
);
