import { afterEach, beforeEach, expect, test } from "bun:test";

import type { Access } from "../../src/access/access.ts";
import { findKey } from "../../src/access/keys.ts";
import type { Database } from "../../src/storage/database.ts";
import { openDatabase } from "../../src/storage/open.ts";
import { created, movableClock, openTestAccess, READER } from "./opened.ts";

let database: Database;
let time: ReturnType<typeof movableClock>;
let opened: Access[];

beforeEach(async () => {
  database = openDatabase({ url: ":memory:" });
  time = movableClock();
  opened = [];
});

afterEach(async () => {
  for (const access of opened) await access.close();
  database.close();
});

async function open(overrides: Partial<Database> = {}): Promise<Access> {
  const access = await openTestAccess({ database: { ...database, ...overrides }, clock: time.clock });
  opened.push(access);
  return access;
}

async function principalOf(access: Access, token: string) {
  const principal = await access.authenticate(token);
  if (principal === null) throw new Error("the token is not valid");
  return principal;
}

test("a request that lasts ends at the expiry of its key also while the database does not answer", async () => {
  let isStuck = false;
  const answering: (() => void)[] = [];
  const access = await open({
    async read(statement) {
      if (isStuck) await new Promise<void>((resolve) => answering.push(resolve));
      return database.read(statement);
    },
  });
  const { token } = await created(access, { expires: time.clock.now() + 10_000 });
  const { ended } = access.watch(await principalOf(access, token));
  isStuck = true;
  await time.pass(9_000);
  expect(ended.aborted).toBe(false);
  await time.pass(5_000);
  expect(ended.aborted).toBe(true);
  isStuck = false;
  for (const answer of answering) answer();
});

test("a request is refused when a libSQL server has not answered for 5 seconds, and the next one asks again", async () => {
  let isStuck = false;
  const access = await open({
    embedded: false,
    read: (statement) => (isStuck ? new Promise(() => {}) : database.read(statement)),
  });
  const { token } = await created(access);
  isStuck = true;
  await time.pass(1_001);
  const refusals: unknown[] = [];
  void Promise.resolve(access.refreshed()).catch((error: unknown) => refusals.push(error));
  await time.pass(4_999);
  expect(refusals).toEqual([]);
  await time.pass(1);
  expect(refusals).toMatchObject([{ code: "storage-unavailable" }]);
  isStuck = false;
  expect(await access.authenticate(token)).toMatchObject({ name: "cards" });
});

test("closing waits until the last uses that are being written are stored", async () => {
  let stored = 0;
  const access = await open({
    async write(statements) {
      const isUse = statements.some(({ sql }) => sql.includes("set used"));
      if (isUse) await Bun.sleep(50);
      const rows = await database.write(statements);
      if (isUse) stored += 1;
      return rows;
    },
  });
  const { token } = await created(access);
  await access.authenticate(token);
  // The write has begun, and has not ended.
  await time.pass(5_000);
  expect(stored).toBe(0);
  await access.close();
  expect(stored).toBe(1);
});

test("a last use that could not be stored is stored by a later batch", async () => {
  let isBroken = true;
  const access = await open({
    write: (statements) =>
      isBroken && statements.some(({ sql }) => sql.includes("set used"))
        ? Promise.reject(new Error("gone"))
        : database.write(statements),
  });
  const { key, token } = await created(access);
  const usedAt = time.clock.now();
  await access.authenticate(token);
  await time.pass(10_000);
  expect((await findKey(database, key.id))?.used).toBeNull();
  isBroken = false;
  await time.pass(5_000);
  expect((await findKey(database, key.id))?.used).toBe(usedAt);
});

test("a change of another key does not end the requests of a key with a grant of a newer version", async () => {
  const access = await open();
  const { key, token } = await created(access);
  await database.write([
    {
      sql: "update api_keys set grants = ?2 where id = ?1",
      args: [key.id, JSON.stringify([...READER.grants, "read:/of-a-newer-version"])],
    },
    { sql: "update access_state set revision = revision + 1", args: [] },
  ]);
  await time.pass(1_001);
  const principal = await principalOf(access, token);
  const { ended } = access.watch(principal);
  await created(access, { name: "another" });
  expect(access.isValid(principal)).toBe(true);
  expect(ended.aborted).toBe(false);
});

test("the revision of keys stays an exact number for billions of changes", async () => {
  const access = await open();
  await created(access);
  const [first] = await database.read({ sql: "select revision from access_state", args: [] });
  // Integers are exact up to 2^53.
  expect(2 ** 53 / Number(first?.[0])).toBeGreaterThan(2 ** 32);
});
