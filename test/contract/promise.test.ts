import { afterEach, beforeEach, expect, test } from "bun:test";

import { z } from "zod";

import { compileFeed } from "../../src/feed/compile.ts";
import { BrokenPromiseError } from "../../src/feed/promise.ts";
import { registerFeeds } from "../../src/feed/register.ts";
import type { Database } from "../../src/log/database.ts";
import { systemClock } from "../../src/server/system-clock.ts";
import { openApp, type TestApp } from "../support/app.ts";
import { newDatabase } from "../support/new-database.ts";

let database: Database;
let app: TestApp;
beforeEach(async () => {
  database = await newDatabase();
  app = await openApp({ database });
});
afterEach(() => app.close());

/** Starts with a feed of this contract, as a server does. */
async function start(contract: z.ZodType, draft = false): Promise<unknown> {
  const feed = compileFeed({
    name: "declarations",
    version: 1,
    draft,
    events: { In: z.any() },
    contract: { Paid: contract },
    publish: { In: () => null },
  });
  try {
    await registerFeeds(database, systemClock, [feed]);
    return null;
  } catch (error) {
    return error;
  }
}

const amount = z.object({ amount: z.number() });

test("a published contract may grow, and what it grew by stays", async () => {
  expect(await start(amount)).toBeNull();
  expect(await start(amount)).toBeNull();
  expect(await start(amount.extend({ currency: z.string() }))).toBeNull();
  const refused = await start(amount);
  expect(refused).toBeInstanceOf(BrokenPromiseError);
  expect(String(refused)).toContain("The contract of /feeds/declarations/v1 is published, and may only grow");
  expect(String(refused)).toContain("Paid /properties/currency: is not published any more (member-removed");
  expect(await start(amount.extend({ currency: z.string() }))).toBeNull();
});

test("what was refused promises nothing", async () => {
  await start(amount);
  expect(await start(z.object({ cents: z.int() }))).toBeInstanceOf(BrokenPromiseError);
  expect(await start(amount)).toBeNull();
});

test("a draft may change in any way, until it is published", async () => {
  expect(await start(amount, true)).toBeNull();
  expect(await start(z.string(), true)).toBeNull();
  expect(await start(z.int())).toBeNull();
  expect(await start(z.string())).toBeInstanceOf(BrokenPromiseError);
  // And what is published is no draft again.
  expect(await start(z.int(), true)).toBeInstanceOf(BrokenPromiseError);
});
