import { afterEach, beforeEach, describe, expect, test } from "bun:test";

import { z } from "zod";

import { breakingChanges, type ContractSchemas } from "../../../src/feeds/contract/compatibility.ts";
import { compileFeed } from "../../../src/feeds/define/compile.ts";
import type { AnyFeedDefinition } from "../../../src/feeds/define/define.ts";
import { IncompatibleContractError } from "../../../src/feeds/contract/published-contract.ts";
import { registerFeeds } from "../../../src/feeds/lifecycle/register.ts";
import { BEGIN_CLEARING } from "../../../src/feeds/lifecycle/retire.ts";
import type { Database } from "../../../src/storage/database.ts";
import { takeLease } from "../../../src/storage/lease.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import { eventually } from "../../support/eventually.ts";
import { openApp, type TestApp } from "../../support/app.ts";
import { clearAll } from "../../support/clear-all.ts";
import { newDatabase } from "../../support/new-database.ts";
import { openProjection, type Projection } from "../../support/projection.ts";
import { runsOn } from "../../support/tested-on.ts";

runsOn(["memory", "sqld"]);

let database: Database;
let app: TestApp;
beforeEach(async () => {
  database = await newDatabase();
  app = await openApp({ database });
});
afterEach(() => app.close());

const PATH = "/feeds/declarations/v1";

type Variation = Partial<AnyFeedDefinition>;

/** A release that publishes what `In` holds, by this contract. */
function release(contract: z.ZodType, more: Variation = {}): AnyFeedDefinition {
  return {
    name: "declarations",
    version: 1,
    events: { In: z.any() },
    contract: { Paid: contract },
    publish: { In: ({ data }: { data: unknown }) => ({ type: "Paid", data }) },
    ...more,
  };
}

/** Starts a release, as a server does; gives what it failed with, or null. */
async function start(contract: z.ZodType, more: Variation = {}): Promise<unknown> {
  try {
    await registerFeeds(database, systemClock, [compileFeed(release(contract, more))]);
    return null;
  } catch (error) {
    return error;
  }
}

function open(contract: z.ZodType, more: Variation = {}): Promise<Projection> {
  return openProjection({ database, writer: app.store.writer }, [compileFeed(release(contract, more))]);
}

/** Starts a release, which projects all there is. */
async function project(contract: z.ZodType, more: Variation = {}): Promise<Projection> {
  const projection = await open(contract, more);
  await projection.drain();
  return projection;
}

const state = ({ feeds, get }: Projection) => feeds.state(get(PATH));
const served = ({ feeds, get }: Projection) => feeds.schemas(get(PATH));
const pay = (data: unknown) => app.append("s", { type: "In", data });

const amount = z.object({ amount: z.number() });
const both = amount.extend({ currency: z.string() });
const written = { amount: 1, currency: "DKK" };

describe("a published contract", () => {
  test("may grow, and the events published by it stay", async () => {
    await pay({ amount: 1 });
    await project(amount);
    expect(await start(both)).toBeNull();
    const refused = await start(z.object({ cents: z.int() }));
    expect(refused).toBeInstanceOf(IncompatibleContractError);
    expect(String(refused)).toContain(`The contract of ${PATH} is published, and may only grow`);
    expect(String(refused)).toContain("Paid /properties/amount: is not published any more (member-removed");
  });

  test("is the contract of the last published event, and not the one that a server was started with", async () => {
    expect(await start(both)).toBeNull();
    expect(await start(z.object({ cents: z.int() }))).toBeNull();
    await pay({ amount: 1 });
    await project(amount);
    expect(await start(z.object({ cents: z.int() }))).toBeInstanceOf(IncompatibleContractError);
  });

  test("does not depend on who may read it: the feed becomes public, and is not built again", async () => {
    for (const draft of [true, false]) {
      await pay({ amount: 1 });
      const before = await project(amount, { draft });
      const { head } = (await state(before)) ?? { head: null };
      for (const access of ["public", "granted"] as const) {
        const after = await open(amount, { draft, access });
        expect(after.get(PATH).feed.access).toBe(access);
        expect(await state(after)).toMatchObject({ status: "live", head });
      }
    }
  });

  test("a refused contract is not published", async () => {
    await pay({ amount: 1 });
    await project(amount);
    expect(await start(z.object({ cents: z.int() }))).toBeInstanceOf(IncompatibleContractError);
    expect(await start(amount)).toBeNull();
  });

  test("keeps the source and the subjects that it was published with", async () => {
    await pay({ amount: 1 });
    await project(amount);
    for (const more of [{ source: { streams: "s" } }, { subject: () => "one" }] satisfies Variation[]) {
      const refused = await start(amount, more);
      expect(refused).toBeInstanceOf(IncompatibleContractError);
      expect(String(refused)).toContain("source-changed");
    }
    expect(await start(amount)).toBeNull();
  });

  test("is projected from the start when its source changes before it published anything", async () => {
    await app.append("other", { type: "In", data: { amount: 1 } });
    const none = await project(amount, { source: { streams: "s-" } });
    expect(await state(none)).toMatchObject({ status: "live", head: 0, cursor: 1 });
    expect(await state(await project(amount))).toMatchObject({ status: "live", head: 1 });
  });

  for (const draft of [true, false]) {
    const named = draft ? "a draft" : "a published version";
    test(`the states that ${named} kept before it published an event are dropped with its source`, async () => {
      const third: Variation = {
        state: { initial: 0, evolve: { In: (count: number) => count + 1 } },
        publish: {
          In: (_: unknown, count: number) => (count < 3 ? null : { type: "Paid", data: { amount: count } }),
        },
        draft,
      };
      await pay(1);
      await pay(2);
      const before = await project(amount, { ...third, source: { streams: "s" } });
      const after = await project(amount, third);
      expect(await state(after)).toMatchObject({ status: "live", head: 0, cursor: 2 });
      // The release before neither holds on to the source that it has, nor projects it into the feed.
      await database.write([{ sql: "update leases set expires = 0", args: [] }]);
      const lease = await takeLease(app.store.writer, PATH, "before");
      if (lease === null) throw new Error("the lease is not free");
      const step = await before.projector(PATH).step({ lease, retry: true, flush: true });
      expect(step).toEqual({ kind: "superseded" });
      expect(await state(before)).toMatchObject({ release: "superseded" });
      await pay(3);
      await after.drain();
      expect(await state(after)).toMatchObject({ status: "live", head: 1 });
    });
  }

  test("is not changed by another version of the library that writes its JSON Schema", async () => {
    const email = z.object({ at: z.email(), n: z.int() });
    await pay({ at: "a@example.com", n: 1 });
    await project(email);
    const [row] = await database.read({ sql: "select schemas from feeds", args: [] });
    const text = String(row?.[0]).replace(/"pattern":"[^"]*"/, '"pattern":"^[a-z]+@example[.]com$"');
    expect(text).not.toBe(String(row?.[0]));
    await database.write([{ sql: "update feeds set schemas = ?, generator = 'zod 4.0.0'", args: [text] }]);
    await pay({ at: "b@example.com", n: 2 });
    const projection = await project(email);
    expect(await state(projection)).toMatchObject({ status: "live", head: 2 });
    expect(JSON.stringify(await served(projection))).toBe(text);
    // The release publishes nothing that the published contract rules out.
    await pay({ at: "c@example.org", n: 3 });
    await projection.drain();
    expect(await state(projection)).toMatchObject({ status: "halted", head: 2 });
  });
});

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

function* permutations(items: readonly number[]): Generator<readonly number[]> {
  if (items.length === 0) yield [];
  for (const first of items) {
    for (const rest of permutations(items.filter((item) => item !== first))) yield [first, ...rest];
  }
}

function onFailure(error: unknown): never {
  throw error;
}
