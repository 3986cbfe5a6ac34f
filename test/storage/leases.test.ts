import { expect, test } from "bun:test";
import fc from "fast-check";

import type { Database } from "../../src/storage/database.ts";
import {
  type HasEnded,
  lastHolder,
  releaseLease,
  sleepUnlessEnded,
  takeLease,
  takeOver,
} from "../../src/storage/lease.ts";
import { systemClock } from "../../src/core/system-clock.ts";
import { appForEachTest } from "../support/app-for-each-test.ts";
import type { TestApp } from "../support/app.ts";

/** Taking over a lease from a holder whose process has ended. */

let database: Database;
let app: TestApp;
appForEachTest((opened) => ({ database, app } = opened));

const NAME = "feeds/declarations/v1";

const take = (holder: string, rank = 0) => takeLease(app.store.writer, NAME, holder, { rank });

const over = (holder: string, hasEnded: HasEnded, rank = 0) =>
  takeOver({ database, writer: app.store.writer, holder, hasEnded }, NAME, rank);

test("a lease is taken over only from a holder that has ended, at once and with a new token", async () => {
  const first = await take("one");
  expect(await over("two", () => false)).toBeNull();
  expect(await take("two")).toBeNull();
  const second = await over("two", ({ holder }) => holder === "one");
  expect(second).toMatchObject({ holder: "two", token: (first?.token ?? 0) + 1 });
  expect(await over("three", ({ holder }) => holder === "one")).toBeNull();
  expect(await lastHolder(database, NAME)).toMatchObject({ holder: "two" });
});

test("tokens order the changes of holder of all leases", async () => {
  const tokenOf = async (name: string, holder: string) => {
    const lease = await takeLease(app.store.writer, name, holder);
    if (lease !== null) await releaseLease(app.store.writer, lease);
    return lease?.token ?? 0;
  };
  const tokens: number[] = [];
  for (let turn = 0; turn < 5; turn += 1) tokens.push(await tokenOf("often", `holder-${turn}`));
  for (const name of ["new", "often", "newer", "new"]) tokens.push(await tokenOf(name, "last"));
  expect(tokens.slice(0, 8)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  // It has the same holder as before.
  expect(tokens[8]).toBe(6);
});

test("a lease is taken over from a holder of any rank, and gets the rank of the new one", async () => {
  await take("newest", 2);
  expect(await over("older", () => true, 1)).toMatchObject({ holder: "older" });
  expect(await take("other", 1)).toBeNull();
  expect(await take("newest again", 2)).toMatchObject({ holder: "newest again" });
});

test("one of several processes that judge the same holder at the same time takes the lease", async () => {
  for (let round = 0; round < 20; round += 1) {
    const holder = `dead-${round}`;
    await database.write([{ sql: "delete from leases", args: [] }]);
    await take(holder);
    const takers = ["a", "b", "c", "d"].map((name) => over(name, (lease) => lease.holder === holder));
    const taken = (await Promise.all(takers)).filter((lease) => lease !== null);
    expect(taken).toHaveLength(1);
    expect(await lastHolder(database, NAME)).toMatchObject({ holder: taken[0]?.holder, token: 2 });
  }
});

test("a judgment applies to one holder and token: a lease that changed hands since is not taken", async () => {
  type Change = "renewed" | "released" | "taken" | "taken and back";
  const changes = fc.array(fc.constantFrom<Change>("renewed", "released", "taken", "taken and back"), {
    maxLength: 4,
  });
  await fc.assert(
    fc.asyncProperty(changes, async (made) => {
      await database.write([{ sql: "delete from leases", args: [] }]);
      let lease = await take("one");
      const judged = await lastHolder(database, NAME);
      for (const change of made) {
        if (lease === null) throw new Error("the lease is not free");
        if (change === "renewed") lease = await take(lease.holder);
        else {
          await releaseLease(app.store.writer, lease);
          const back = change === "taken and back" ? lease.holder : null;
          if (change !== "released") lease = await take(`other of ${lease.holder}`);
          if (back !== null && lease !== null) {
            await releaseLease(app.store.writer, lease);
            lease = await take(back);
          }
        }
      }
      const isReleased = made.at(-1) === "released";
      const isTheSame = lease?.holder === judged?.holder && lease?.token === judged?.token;
      const stolen = await takeLease(app.store.writer, NAME, "two", { ended: judged });
      expect(stolen !== null).toBe(isTheSame || isReleased);
    }),
    { numRuns: 30 },
  );
});

test("a wait for another holder ends when that holder ends, and otherwise lasts its full time", async () => {
  const leases = [{ name: NAME, holder: "one", token: 1 }];
  const { signal } = new AbortController();
  let looks = 0;
  const begun = performance.now();
  await sleepUnlessEnded(systemClock, 60_000, { leases, hasEnded: () => (looks += 1) > 2 }, signal);
  expect(performance.now() - begun).toBeLessThan(30_000);
  const again = performance.now();
  await sleepUnlessEnded(systemClock, 300, { leases, hasEnded: () => false }, signal);
  await sleepUnlessEnded(systemClock, 50, { leases: [], hasEnded: () => true }, signal);
  expect(performance.now() - again).toBeGreaterThanOrEqual(340);
});
