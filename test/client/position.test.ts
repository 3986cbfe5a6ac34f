import { afterEach, beforeEach, expect, test } from "bun:test";

import { createClient, KildeError } from "../../src/client/index.ts";
import { createCommandHandler, type Decider } from "../../src/decider/index.ts";
import { openApp, type TestApp } from "../support/app.ts";
import { type Lagging, openLagging } from "../support/lagging-replica.ts";
import { runsOn } from "../support/tested-on.ts";

runsOn(["file", "sqld"]);

/* A client whose reads are answered from a replica that is behind. */

const URL = "http://kilde.test";
const WAIT_MS = 20;

let lagging: Lagging;
let app: TestApp;
let shown: (string | null)[];
beforeEach(async () => {
  lagging = openLagging(WAIT_MS);
  const { primary: database, replica } = lagging;
  app = await openApp({ database, replica, limits: { replicaWaitMs: WAIT_MS } });
  shown = [];
});
afterEach(async () => {
  await app.close();
  lagging.dispose();
});

const client = (onSleep = () => {}) =>
  createClient({
    url: URL,
    retry: { attempts: 3 },
    fetch: (url, init) => {
      shown.push(new Headers(init.headers).get("kilde-position"));
      return app.fetch(url.slice(URL.length), init);
    },
    sleep: async () => onSleep(),
  });

test("a client reads its own appends, with the usual retries", async () => {
  lagging.catchUp();
  const kilde = client(() => lagging.catchUp());
  await kilde.append("s", { type: "A" });
  expect(await Array.fromAsync(kilde.read({ stream: "s" }))).toHaveLength(1);
  await kilde.transact([{ stream: "t", events: [{ type: "A" }] }]);
  expect(await kilde.head()).toBe(2);
  await kilde.append("u", { type: "A" });
  expect(await Array.fromAsync(kilde.streams())).toHaveLength(3);
  // A HEAD that was refused is asked again for the reason.
  expect(shown).toEqual([null, "1", "1", null, "2", "2", "2", null, "3", "3"]);
});

test("a replica that stays behind is reported", async () => {
  lagging.catchUp();
  const kilde = client();
  await kilde.append("s", { type: "A" });
  const reading = Array.fromAsync(kilde.read());
  await expect(reading).rejects.toMatchObject({ code: "replica-behind", members: { position: 1, head: 0 } });
});

test("a client reads the event that caused its version conflict", async () => {
  lagging.catchUp();
  await app.append("s", { type: "A" }, { type: "B" });
  const kilde = client(() => lagging.catchUp());
  const refused = kilde.append("s", { type: "C" }, { expectedVersion: 0 });
  await expect(refused).rejects.toMatchObject({ code: "version-conflict", members: { currentVersion: 2 } });
  expect(await Array.fromAsync(kilde.read({ stream: "s" }))).toHaveLength(2);
});

test("a command is decided on the events that caused its conflict", async () => {
  const counter: Decider<"count", { type: "Counted"; data: number }, number> = {
    initial: 0,
    decide: (_command, state) => ({ type: "Counted", data: state + 1 }),
    evolve: (_state, { data }) => data,
  };
  const { handle } = createCommandHandler({ store: client(() => lagging.catchUp()) });
  await handle("s", counter, "count");
  lagging.catchUp();
  await app.append("s", { type: "Counted", data: 41 });
  expect((await handle("s", counter, "count")).state).toBe(42);
});

test("another client's append is included when its position is requested, and not otherwise", async () => {
  lagging.catchUp();
  const { position } = await app.append("s", { type: "A" });
  const kilde = client(() => lagging.catchUp());
  expect(await Array.fromAsync(kilde.read())).toEqual([]);
  expect(await Array.fromAsync(kilde.read({ position }))).toHaveLength(1);
  expect(await Array.fromAsync(kilde.subjectPages({ position }))).toHaveLength(1);
  expect(shown[0]).toBeNull();
  await expect(Array.fromAsync(kilde.read({ position: 9 }))).rejects.toThrow(KildeError);
});

test("a client continues after the server was restored from an older backup", async () => {
  lagging.catchUp();
  const kilde = client();
  await kilde.append("s", { type: "A" }, {});
  await kilde.append("s", { type: "B" }, {});
  const older = openLagging(WAIT_MS);
  const restored = await openApp({ database: older.primary });
  const { append } = restored;
  await append("s", { type: "A" });
  const before = app;
  app = restored;
  expect(await Array.fromAsync(kilde.read())).toHaveLength(1);
  expect(shown.slice(-2)).toEqual(["2", null]);
  await restored.close();
  older.dispose();
  app = before;
});
