import { describe, expect, test } from "bun:test";

import { z } from "zod";

import { breakingChanges, type ContractSchemas } from "../../../src/feeds/contract/compatibility.ts";
import { compileFeed } from "../../../src/feeds/define/compile.ts";
import type { Database } from "../../../src/storage/database.ts";
import { takeLease } from "../../../src/storage/lease.ts";
import { eventually } from "../../support/eventually.ts";
import { openApp, type TestApp } from "../../support/app.ts";
import type { Projection } from "../../support/projection.ts";
import {
  amount,
  both,
  PATH,
  release,
  releasesForEachTest,
  served,
  state,
  type Variation,
  written,
} from "./releases.ts";
import { runsOn } from "../../support/tested-on.ts";

runsOn(["memory", "sqld"]);

let database: Database;
let app: TestApp;

const { open, project, pay } = releasesForEachTest((opened) => ({ database, app } = opened));

describe("two releases on one database", () => {
  test("the older one may start again, and publishes what the longer contract allows", async () => {
    await pay(written);
    await project(both.partial({ currency: true }).extend({ amount: z.number() }));
    const newer = await project(both);
    await pay(written);
    await newer.drain();
    // Back to the release before.
    const older = await project(z.object({ amount: z.number(), currency: z.string().optional() }));
    expect(await served(older)).toEqual(await served(newer));
    await pay({ amount: 2, currency: "EUR" });
    await older.drain();
    expect(await state(older)).toMatchObject({ status: "live", head: 3, release: "older" });
    await pay({ amount: 3 });
    await older.drain();
    expect(await state(older)).toMatchObject({
      status: "halted",
      head: 3,
      failure: { position: 4, message: expect.stringContaining("published contract") },
    });
    // And forwards again: the newer one corrects what the older one could not publish.
    const corrected = await project(both, {
      publish: {
        In: ({ data }: { data: object }) => ({ type: "Paid", data: { currency: "DKK", ...data } }),
      },
    });
    expect(await state(corrected)).toMatchObject({ status: "live", head: 4 });
  });

  test("a server of the older one describes what the newer one published since its start", async () => {
    await pay({ amount: 1 });
    await project(amount);
    const older = await openApp({
      database: { ...database, close: () => {} },
      feeds: [compileFeed(release(amount))],
      isShared: true,
    });
    interface Described {
      readonly components: { readonly schemas: Record<string, { readonly properties?: object }> };
    }
    const members = async () => {
      const { components } = await older.get<Described>("/asyncapi.json");
      return Object.keys(components.schemas["declarations.v1.Paid"]?.properties ?? {});
    };
    const types = async () => (await older.get<{ feeds: { types: string[] }[] }>("/feeds")).feeds[0]?.types;
    expect(await members()).toEqual(["amount"]);
    expect(await types()).toEqual(["Paid"]);
    const newer = await project(both, { contract: { Paid: both, Refunded: amount } });
    expect(await members()).toEqual(["amount"]);
    await pay(written);
    await newer.drain();
    expect(await members()).toEqual(["amount", "currency"]);
    expect(await types()).toEqual(["Paid", "Refunded"]);
    await older.close();
  });

  test("the older one projects as it did while nothing was published by the longer contract", async () => {
    await pay({ amount: 1 });
    const older = await project(amount);
    const newer = await open(both);
    await pay({ amount: 2 });
    await older.drain();
    expect(await state(older)).toMatchObject({ status: "live", head: 2 });
    await pay(written);
    await newer.drain();
    await pay({ amount: 4 });
    await older.drain();
    expect(await state(older)).toMatchObject({ status: "halted", head: 3 });
    expect(await served(older)).toEqual(await served(newer));
  });

  const withCurrency: Variation = {
    publish: { In: ({ data }: { data: object }) => ({ type: "Paid", data: { currency: "DKK", ...data } }) },
  };

  test("the longer contract that publishes last projects, also if its release started first", async () => {
    const longer = await open(both, withCurrency);
    const shorter = await open(amount);
    await pay({ amount: 1 });
    await shorter.drain();
    expect(await state(longer)).toMatchObject({ release: "current", head: 1 });
    await pay({ amount: 2 });
    await longer.drain();
    expect(await state(shorter)).toMatchObject({ release: "older", head: 2 });
    const { reader } = app.store;
    const projecting = longer.run("longer", reader);
    await pay({ amount: 3 });
    await eventually(async () => (await state(longer))?.cursor === 3);
    const bound = shorter.run("shorter", reader);
    const holder = async () => {
      const [row] = await database.read({ sql: "select holder from leases where name = ?", args: [PATH] });
      return row?.[0];
    };
    for (const cursor of [4, 5, 6]) {
      // Time for the other release to take the lease, if it could.
      await Bun.sleep(20);
      expect(await holder()).toBe("longer");
      await pay({ amount: cursor });
      await eventually(async () => (await state(longer))?.cursor === cursor);
    }
    expect(await state(longer)).toMatchObject({ status: "live", head: 6 });
    expect(bound.events).toEqual([]);
    await Promise.all([projecting.stop(), bound.stop()]);
  }, 30_000);

  test("a batch that would lower the revision is refused, and planned again", async () => {
    await pay({ amount: 1 });
    await project(amount);
    const longer = await open(both, withCurrency);
    const projector = longer.projector(PATH);
    const step = async () => {
      await database.write([{ sql: "update leases set expires = 0", args: [] }]);
      const lease = await takeLease(app.store.writer, PATH, "longer");
      if (lease === null) throw new Error("the lease is not free");
      return projector.step({ lease, retry: false, flush: true });
    };
    expect(await step()).toMatchObject({ kind: "caught-up" });
    // As when another release begins to track the feed's origins.
    await database.write([{ sql: "update feeds set promised = 9", args: [] }]);
    await pay({ amount: 2 });
    await step();
    expect(await step()).toEqual({ kind: "outdated" });
    await longer.drain();
    expect(await state(longer)).toMatchObject({ status: "live", head: 2, release: "current" });
    expect(await database.read({ sql: "select promised from feeds", args: [] })).toEqual([[10]]);
  });

  test("the published contract only grows, in any order of starts and publications", async () => {
    const contracts = [amount, both, both.extend({ note: z.string() })];
    const orders = [...permutations([0, 1, 2])];
    const data = { ...written, note: "none" };
    let feeds = 0;
    for (const starts of orders) {
      for (const publishes of orders) {
        feeds += 1;
        const name = `orders-${feeds}`;
        const path = `/feeds/${name}/v1`;
        const opened = new Map<number, Projection>();
        for (const index of starts) {
          const contract = contracts[index] ?? amount;
          const members = Object.keys(contract.shape);
          const paid = {
            type: "Paid",
            data: Object.fromEntries(members.map((each) => [each, data[each as "note"]])),
          };
          opened.set(index, await open(contract, { name, publish: { In: () => paid } }));
        }
        let before = { revision: 0, schemas: {} };
        for (const index of publishes) {
          await pay(null);
          await opened.get(index)?.drain();
          const [row] = await database.read({
            sql: "select promised, schemas from feeds where name = ?",
            args: [name],
          });
          const now = {
            revision: Number(row?.[0]),
            schemas: JSON.parse(String(row?.[1])) as ContractSchemas,
          };
          expect(now.revision).toBeGreaterThanOrEqual(before.revision);
          expect(breakingChanges(before.schemas, now.schemas)).toEqual([]);
          const isLongest = index === Math.max(...publishes.slice(0, publishes.indexOf(index) + 1));
          const { feeds: all, get } = opened.get(index) as Projection;
          expect((await all.state(get(path)))?.release).toBe(isLongest ? "current" : "older");
          before = now;
        }
      }
    }
  }, 30_000);

  for (const order of ["older first", "newer first"]) {
    test(`the newest that runs projects: ${order}`, async () => {
      const data = { ...written };
      await pay(data);
      await project(amount.loose());
      const older = await open(amount.loose());
      const newer = await open(both.loose());
      const { reader } = app.store;
      const running = new Map<string, ReturnType<Projection["run"]>>();
      const run = (name: string, projection: Projection) => running.set(name, projection.run(name, reader));
      if (order === "older first") run("older", older);
      else run("newer", newer);
      await pay(data);
      await eventually(async () => ((await state(older))?.cursor ?? 0) === 2);
      if (order === "older first") run("newer", newer);
      else run("older", older);
      const holder = async () => {
        const [row] = await database.read({ sql: "select holder from leases where name = ?", args: [PATH] });
        return row?.[0];
      };
      await eventually(async () => (await holder()) === "newer");
      for (let n = 3; n <= 12; n += 1) {
        await pay(data);
        await eventually(async () => ((await state(older))?.cursor ?? 0) === n);
        expect(await holder()).toBe("newer");
      }
      await running.get("newer")?.stop();
      await pay(data);
      await eventually(async () => ((await state(older))?.cursor ?? 0) === 13);
      expect(await holder()).toBe("older");
      await running.get("older")?.stop();
      expect(await state(older)).toMatchObject({ head: 13, status: "live" });
    });
  }
});

function* permutations(items: readonly number[]): Generator<readonly number[]> {
  if (items.length === 0) yield [];
  for (const first of items) {
    for (const rest of permutations(items.filter((item) => item !== first))) yield [first, ...rest];
  }
}
