import { describe, expect, test } from "bun:test";

import { emptyFolder } from "../../cli/support.ts";
import { eventually } from "../../support/eventually.ts";
import { runsOn, TESTED_ON } from "../../support/tested-on.ts";
import {
  append,
  call,
  cleanUpDeliveries,
  nameOf,
  ofSubject,
  type Receiver,
  startReceiver,
  startServer,
  startWithFeed,
  subscribe,
} from "./delivering.ts";

runsOn(["file", "sqld"]);
cleanUpDeliveries();

test("a killed server continues where it was: it loses nothing, and keeps the order", async () => {
  const cwd = emptyFolder();
  let server = await startServer(cwd);
  const hook = startReceiver();
  hook.answer = ([event]) => new Response(null, { status: event?.subject === "stuck" ? 500 : 200 });
  const { path } = await subscribe(server, hook, { concurrency: 4 });
  await append(server, "stuck", 2);
  for (let n = 0; n < 10; n += 1) await append(server, `s-${n}`, 40);
  await eventually(() => hook.taken().length > 50);
  await server.stop("SIGKILL");
  const before = hook.taken().length;
  expect(before).toBeLessThan(400);
  server = await startServer(cwd);
  hook.answer = () => new Response();
  await eventually(() => new Set(hook.taken()).size === 402);
  for (let n = 0; n < 10; n += 1) {
    const names = ofSubject(hook.taken(), `s-${n}`);
    const firsts = names.filter((name, index) => names.indexOf(name) === index);
    expect(firsts).toEqual(Array.from({ length: 40 }, (_, version) => `s-${n}@${version + 1}`));
  }
  await eventually(async () => (await call(server, path)).cursor === 402);
  const done = hook.requests.length;
  expect((await server.stop()).exitCode).toBe(0);
  server = await startServer(cwd);
  await append(server, "s-0");
  await eventually(() => hook.requests.length > done);
  // Stopped in order, it repeats nothing.
  expect(hook.requests.slice(done).flatMap(({ events }) => events.map(nameOf))).toEqual(["s-0@41"]);
}, 60_000);

test("a feed that is delivered is retired by force only", async () => {
  const server = await startWithFeed();
  const hook = startReceiver();
  const { now } = await subscribe(server, hook, { source: "/feeds/counts/v1" });
  await append(server, "a");
  await eventually(() => hook.taken().length === 1);
  const refused = await server.kilde(["feeds", "retire", "counts", "v1"]);
  expect(refused.exitCode).toBe(1);
  expect(refused.stderr).toContain("is delivered by sub_");
  expect(refused.stderr).toContain("--force");
  const forced = await server.kilde(["feeds", "retire", "counts", "v1", "--force"]);
  expect(forced.stderr).toBe("");
  expect(await now()).toMatchObject({ status: "paused", reason: "source retired" });
});

describe("after a restore,", () => {
  // `kilde backup` and `kilde restore` are for the embedded file.
  test.skipIf(TESTED_ON === "sqld")(
    "another event at a position that was delivered before has another id, in each mode",
    async () => {
      const server = await startServer();
      await append(server, "a", 3);
      const hooks: Receiver[] = [];
      for (const mode of ["single", "batch", "doorbell"]) {
        const hook = startReceiver();
        hooks.push(hook);
        await subscribe(server, hook, { mode });
      }
      const isDelivered = (position: number) =>
        eventually(() =>
          hooks.every(({ requests }) =>
            requests.some(({ events }) => events.some(({ id }) => Number(id) === position)),
          ),
        );
      await isDelivered(3);
      expect((await server.kilde(["backup", "backup.db"])).exitCode).toBe(0);
      await append(server, "a", 1, "Lost");
      await isDelivered(4);
      await server.stop();
      expect((await server.kilde(["restore", "backup.db", "--force"])).exitCode).toBe(0);

      const before = hooks.map(({ requests }) => requests.splice(0));
      const again = await startServer(server.cwd);
      await append(again, "a", 1, "Other");
      await isDelivered(4);
      for (const [index, { requests }] of hooks.entries()) {
        const all = [...(before[index] ?? []), ...requests];
        for (const { webhookId, events } of all) {
          expect(webhookId).toEndWith(`_${String(events.at(-1)?.["logidentity"])}`);
        }
        // No id is ever given to other bytes.
        for (const same of Map.groupBy(all, ({ webhookId }) => webhookId).values()) {
          expect(new Set(same.map(({ events }) => JSON.stringify(events))).size).toBe(1);
        }
        const identities = [before[index]?.at(-1), requests.at(-1)].map((one) => one?.webhookId.slice(-16));
        expect(new Set(identities).size).toBe(2);
      }
    },
    60_000,
  );

  test("delivery starts again from the stored state when a running server's store was restored by other means", async () => {
    const server = await startServer();
    const hook = startReceiver();
    await append(server, "a", 3);
    await subscribe(server, hook);
    await eventually(() => hook.taken().length === 3);
    expect((await server.kilde(["identity", "renew"])).exitCode).toBe(0);
    await append(server, "a", 2);
    await eventually(() => hook.taken().length >= 5);
    const { webhookId, events } = hook.requests.at(-1) ?? {};
    expect(webhookId).toEndWith(`_5_${String(events?.[0]?.["logidentity"])}`);
    expect(hook.requests[0]?.webhookId.slice(-16)).not.toBe(webhookId?.slice(-16) ?? "");
  });
});
