import { describe, expect, test } from "bun:test";

import { z } from "zod";

import { IncompatibleContractError } from "../../../src/feeds/contract/published-contract.ts";
import type { Database } from "../../../src/storage/database.ts";
import { takeLease } from "../../../src/storage/lease.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import { eventually } from "../../support/eventually.ts";
import type { TestApp } from "../../support/app.ts";
import { clearAll } from "../../support/clear-all.ts";
import { amount, both, PATH, releasesForEachTest, served, state, written } from "./releases.ts";
import { BEGIN_CLEARING } from "../../../src/feeds/lifecycle/retire.ts";
import { runsOn } from "../../support/tested-on.ts";

runsOn(["memory", "sqld"]);

let database: Database;
let app: TestApp;

const { start, open, project, pay } = releasesForEachTest((opened) => ({ database, app } = opened));

describe("a draft", () => {
  test("may change in any way, until it is published", async () => {
    await pay("text");
    await project(z.string(), { draft: true });
    expect(await start(z.any(), { draft: true })).toBeNull();
    await clearAll({ ...app.store, database, clock: systemClock }, onFailure);
    await project(z.string());
    expect(await start(z.int())).toBeInstanceOf(IncompatibleContractError);
    // And a published version never becomes a draft again.
    expect(await start(z.string(), { draft: true })).toBeInstanceOf(IncompatibleContractError);
  });

  test("is built again when it has changed, and not by a release that defines it otherwise", async () => {
    await pay({ amount: 1 });
    const before = await project(amount, { draft: true });
    expect(await state(before)).toMatchObject({ status: "live", head: 1 });
    expect(await start(amount, { draft: true })).toBeNull();
    expect(await state(before)).toMatchObject({ status: "live", head: 1 });
    const changed = await open(z.any(), { draft: true });
    await eventually(async () => (await state(changed))?.status === "building");
    await pay({ amount: 2 });
    const left = before.projector(PATH);
    await database.write([{ sql: "update leases set expires = 0", args: [] }]);
    const lease = await takeLease(app.store.writer, PATH, "before");
    if (lease === null) throw new Error("the lease is not free");
    expect(await left.step({ lease, retry: true, flush: true })).toEqual({ kind: "superseded" });
    await changed.drain();
    expect(await state(changed)).toMatchObject({ status: "live", head: 3, cursor: 2 });
    expect(await served(changed)).toEqual({ Paid: expect.not.objectContaining({ type: "object" }) });
  });

  test("keeps the contract of its published events when it is published as it is", async () => {
    await pay({ amount: 1 });
    const draft = await project(amount, { draft: true });
    const published = await project(amount);
    expect(await state(published)).toMatchObject({ status: "live", head: 1, release: "current" });
    expect(await state(draft)).toMatchObject({ release: "superseded" });
    expect(await start(z.object({ cents: z.int() }))).toBeInstanceOf(IncompatibleContractError);
    expect(await start(amount, { draft: true })).toBeInstanceOf(IncompatibleContractError);
    await pay({ amount: 2 });
    await published.drain();
    expect(await state(published)).toMatchObject({ status: "live", head: 2 });
  });

  test("is projected only by the changed contract when it changed before it published anything", async () => {
    const before = await open(amount, { draft: true });
    const changed = await open(both, { draft: true });
    await pay({ amount: 1 });
    await pay(written);
    await database.write([{ sql: "update leases set expires = 0", args: [] }]);
    const lease = await takeLease(app.store.writer, PATH, "before");
    if (lease === null) throw new Error("the lease is not free");
    const stale = before.projector(PATH);
    await eventually(async () => (await state(before))?.status === "building");
    expect(await stale.step({ lease, retry: true, flush: true })).toEqual({ kind: "superseded" });
    await changed.drain();
    expect(await state(changed)).toMatchObject({ status: "halted", head: 0 });
  });

  test("is projected by each of two processes that start its changed definition at the same time", async () => {
    await pay(written);
    await project(amount, { draft: true });
    const [one, other] = await Promise.all([open(both, { draft: true }), open(both, { draft: true })]);
    await one.drain();
    await pay(written);
    await other.drain();
    expect(await state(other)).toMatchObject({ status: "live", cursor: 2 });
    await pay(written);
    await one.drain();
    expect(await state(one)).toMatchObject({ status: "live", cursor: 3 });
  });

  test("is built again first when it is published with another contract", async () => {
    await pay({ amount: 1 });
    await project(amount, { draft: true });
    const published = await open(both.partial({ currency: true }));
    await eventually(async () => (await state(published))?.status === "building");
    await published.drain();
    expect(await state(published)).toMatchObject({ status: "live", head: 2 });
  });
});

test("a clearing that was paused does not delete events that were built since", async () => {
  await pay({ amount: 1 });
  const draft = await project(amount, { draft: true });
  const { log } = draft.get(PATH);
  const { writer } = app.store;
  await writer.write([{ sql: BEGIN_CLEARING, args: [log.id, "rebuilding"] }]);
  const { promise: paused, resolve: goOn } = Promise.withResolvers<void>();
  let writes = 0;
  const slow = {
    ...writer,
    async write(...statements: Parameters<typeof writer.write>) {
      writes += 1;
      if (writes === 2) await paused;
      return writer.write(...statements);
    },
  };
  const deps = { database, clock: systemClock };
  const late = clearAll({ ...deps, writer: slow }, onFailure);
  await eventually(() => writes === 2);
  await clearAll({ ...deps, writer }, onFailure);
  await draft.drain();
  expect(await state(draft)).toMatchObject({ status: "live", head: 2, cursor: 1 });
  goOn();
  await late;
  expect(await draft.get(PATH).reader.find("s")).toMatchObject({ version: 1 });
  expect(await state(draft)).toMatchObject({ status: "live", head: 2 });
});

function onFailure(error: unknown): never {
  throw error;
}
