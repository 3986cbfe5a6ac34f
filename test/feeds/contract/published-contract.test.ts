import { describe, expect, test } from "bun:test";

import { z } from "zod";

import { IncompatibleContractError } from "../../../src/feeds/contract/published-contract.ts";
import type { Database } from "../../../src/storage/database.ts";
import { takeLease } from "../../../src/storage/lease.ts";
import type { TestApp } from "../../support/app.ts";
import { amount, both, PATH, releasesForEachTest, served, state, type Variation } from "./releases.ts";
import { runsOn } from "../../support/tested-on.ts";

runsOn(["memory", "sqld"]);

let database: Database;
let app: TestApp;

const { start, open, project, pay } = releasesForEachTest((opened) => ({ database, app } = opened));

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
