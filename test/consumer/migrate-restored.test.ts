import { afterEach, beforeEach, expect } from "bun:test";

import { type Consumer, feed } from "../../src/consumer/index.ts";
import { eventually } from "../support/eventually.ts";
import { openApp, type TestApp } from "../support/app.ts";
import { sketch } from "../support/feeds.ts";
import { openProjection } from "../support/projection.ts";
import { openRestorable, type Restorable } from "../support/restorable.ts";
import { runsOn, testInProcess } from "../support/tested-on.ts";
import { memoryEffects, network, quickConsumer } from "./support.ts";

runsOn(["memory", "sqld"]);

/* Versions of a feed of which the new one publishes less than the old one, and a server that is restored after a switch. */

const V1 = sketch({ name: "orders", version: 1 });
/** Publishes nothing for events of type B. */
const V2 = sketch({
  name: "orders",
  version: 2,
  project: ({ type, data }) => ({
    events: type === "B" ? [] : [{ type: `New${type}`, data: JSON.stringify(data ?? null) }],
  }),
});

let restorable: Restorable;
let app: TestApp;
let effects: ReturnType<typeof memoryEffects>;
let consumer: Consumer;

beforeEach(async () => {
  restorable = await openRestorable();
  app = await openApp({ database: restorable.database, feeds: [V1, V2] });
  effects = memoryEffects();
});
afterEach(async () => {
  await consumer.stop();
  await app.close();
  restorable.dispose();
});

async function project(): Promise<void> {
  const { database } = restorable;
  await (await openProjection({ database, writer: app.store.writer }, [V1, V2])).drain();
}

async function append(stream: string, ...types: readonly ("A" | "B")[]): Promise<void> {
  for (const type of types) await app.append(stream, { type, data: 0 });
  await project();
}

type Event = { subject: string; type: string; projectedFrom?: number };
type Tx = Parameters<Parameters<typeof effects.store.transact>[0]>[0];

/** Starts the consumer: of the old version alone, or migrating. */
function start(isMigrating: boolean): void {
  const handle = ({ subject, type, projectedFrom }: Event, tx: Tx) =>
    effects.record(tx, subject, `${projectedFrom} ${type}`);
  const reset = (subject: string, tx: Tx) => tx.delete(subject);
  const shared = { name: "cards", store: effects.store, handle, reset };
  const net = network(() => app);
  const client = { fetch: net.fetch };
  const old = feed("orders/v1");
  consumer = isMigrating
    ? quickConsumer({
        ...shared,
        client,
        feed: feed("orders/v2"),
        migrateFrom: { feed: old, handle, reset },
      })
    : quickConsumer({ ...shared, client, feed: old });
  consumer.start();
}

const untilHeld = (expected: Record<string, string[]>) =>
  eventually(async () => Bun.deepEquals(await effects.read(), expected));

/** Has the old version handle everything, and starts the consumer again as one that migrates. */
async function handleByOld(expected: Record<string, string[]>): Promise<void> {
  start(false);
  await untilHeld(expected);
  await consumer.stop();
  start(true);
}

testInProcess("a subject of which the new version publishes nothing is switched", async () => {
  await append("quiet", "B");
  await append("loud", "A", "B");
  const byOld = { quiet: ["1 PublicB"], loud: ["2 PublicA", "3 PublicB"] };
  await handleByOld(byOld);
  expect(await consumer.migration?.switchAll()).toEqual({ switched: 2, failed: [] });
  expect((await consumer.migration?.check())?.unswitched).toEqual([]);
  expect(await effects.read()).toEqual(byOld);
  await append("quiet", "A");
  await append("loud", "B", "A");
  await untilHeld({ quiet: ["1 PublicB", "4 NewA"], loud: ["2 PublicA", "3 PublicB", "6 NewA"] });
});

testInProcess(
  "events that only the old version published before the switch are rolled back with the server",
  async () => {
    await append("kept", "A", "B");
    await append("shorter", "A");
    const backup = await restorable.backUp();
    await append("shorter", "B");
    await append("gone", "B");
    await append("longer", "B");
    await handleByOld({
      kept: ["1 PublicA", "2 PublicB"],
      shorter: ["3 PublicA", "4 PublicB"],
      gone: ["5 PublicB"],
      longer: ["6 PublicB"],
    });
    expect(await consumer.migration?.switchAll()).toEqual({ switched: 4, failed: [] });
    await append("longer", "A");
    await eventually(async () => (await effects.read())["longer"]?.length === 2);

    await restorable.restore(backup, "restore");
    await append("kept", "A");
    // The new version handles all events of a subject that was reset.
    const expected = { kept: ["1 PublicA", "2 PublicB", "4 NewA"], shorter: ["3 NewA"] };
    await untilHeld(expected);

    // A new process finds nothing to roll back.
    await consumer.stop();
    start(true);
    await append("shorter", "A");
    await untilHeld({ ...expected, shorter: ["3 NewA", "5 NewA"] });
    expect(consumer.status().counts.resets).toBe(0);
  },
);
