import { describe, expect, test } from "bun:test";

import type { Access } from "../../src/access/access.ts";
import { crc32Hex } from "../../src/access/crc32.ts";
import { findKey, listKeys } from "../../src/access/keys.ts";
import { keyStatus } from "../../src/access/key-record.ts";
import { ANONYMOUS, ANYBODY, TRUSTED } from "../../src/access/principal.ts";
import { newToken } from "../../src/access/token.ts";
import { type Database, integerAt, type Row } from "../../src/storage/database.ts";
import { forEachDeployment } from "../support/deployments.ts";
import { type AccessOfTest, accessForEachTest } from "./access-for-each-test.ts";
import { created, READER, type Runtime } from "./opened.ts";

const DAY_MS = 24 * 60 * 60 * 1_000;

const RUNTIMES: readonly Runtime[] = ["server", "worker"];

forEachDeployment(["memory", "file", "sqld"], (deployment) => {
  for (const runtime of RUNTIMES)
    describe(`access on ${deployment.name}, as in a ${runtime}`, () => {
      let time: AccessOfTest["time"];
      let database: Database;
      let access: Access;
      let another: AccessOfTest["another"];
      accessForEachTest(deployment, runtime, (opened) => ({ time, database, access, another } = opened));

      const nameOf = async (token: string, by = access) => (await by.authenticate(token))?.name ?? null;

      test("a key is its principal, with name, grants and consumer, in every process", async () => {
        expect(access.isSecured()).toBe(false);
        const { key, token } = await created(access, { expires: time.clock.now() + DAY_MS });
        expect(key).toEqual({
          ...READER,
          id: token.slice(6, 18),
          created: time.clock.now(),
          expires: time.clock.now() + DAY_MS,
          revoked: null,
          successor: null,
          used: null,
        });
        for (const one of [access, await another()]) {
          expect(await one.authenticate(token)).toEqual({
            kind: "key",
            name: "cards",
            grants: [{ verb: "read", path: "/feeds/declarations", isPrefix: false, subjectPrefix: "" }],
            consumer: "cards",
            credential: key.id,
            expires: key.expires,
          });
          expect(one.isSecured()).toBe(true);
        }
      });

      test("the database has no token, and nothing that a token can be made of", async () => {
        const { token } = await created(access);
        const rows = await database.read({ sql: "select * from api_keys", args: [] });
        expect(rows).toHaveLength(1);
        expect(JSON.stringify(rows)).not.toContain(token.slice(19, 62));
      });

      test("unknown, wrong, mutated and other tokens are all refused alike", async () => {
        const { key, token } = await created(access);
        const wrongSecret = `kilde_${key.id}_${newToken().token.slice(19, 62)}`;
        const refused = [
          newToken().token,
          `${wrongSecret}_${crc32Hex(wrongSecret)}`,
          token.slice(0, -1),
          `${token}0`,
          token.toUpperCase(),
          "kilde_",
          "",
          "a.b.c",
        ];
        for (const text of refused) expect(await access.authenticate(text)).toBeNull();
        expect(await nameOf(token)).toBe("cards");
      });

      if (runtime === "server")
        test("a known key is recognized at once, without a query, for a second", async () => {
          const { token } = await created(access);
          expect(access.authenticate(token)).toMatchObject({ name: "cards" });
          await time.pass(1_000);
          expect(access.refreshed()).toBeNull();
          expect(access.authenticate(token)).toMatchObject({ name: "cards" });
          await time.pass(1);
          const later = access.authenticate(token);
          expect(later).toBeInstanceOf(Promise);
          expect(await later).toMatchObject({ name: "cards" });
        });

      test("a key that another process creates works at once, and unknown keys cause a check at most every 100 ms", async () => {
        let queries = 0;
        const read: Database["read"] = (statement) => {
          queries += 1;
          return database.read(statement);
        };
        const counting = await another({ database: { ...database, read } });
        await created(access, { name: "first" });
        expect(await nameOf(newToken().token, counting)).toBeNull();
        const { token } = await created(access);
        queries = 0;
        for (let attempt = 1; attempt <= 3; attempt += 1)
          expect(await nameOf(newToken().token, counting)).toBeNull();
        expect(queries).toBe(0);
        await time.pass(101);
        expect(await nameOf(token, counting)).toBe("cards");
        expect(queries).toBeGreaterThan(0);
      });

      test("a revoked key works no more: at once in this process, within a second in others", async () => {
        const { key, token } = await created(access);
        const other = await another();
        expect(await nameOf(token, other)).toBe("cards");
        expect(await access.revoke(key.id)).toMatchObject({
          outcome: "revoked",
          key: { revoked: time.clock.now() },
        });
        expect(await nameOf(token)).toBeNull();
        await time.pass(1_001);
        expect(await nameOf(token, other)).toBeNull();
        expect(other.isSecured()).toBe(true);
      });

      test("a key can be revoked once, and an unknown one never", async () => {
        const { key } = await created(access);
        expect(await access.revoke("abcdefghijkl")).toEqual({ outcome: "not-found" });
        await access.revoke(key.id);
        const { revoked } = (await findKey(database, key.id)) ?? {};
        await time.pass(5);
        expect(await access.revoke(key.id)).toMatchObject({ outcome: "already-revoked", key: { revoked } });
      });

      test("an expired key works no more", async () => {
        const { token } = await created(access, { expires: time.clock.now() + 500 });
        expect(await nameOf(token)).toBe("cards");
        await time.pass(500);
        expect(await nameOf(token)).toBeNull();
      });

      test("a rotation keeps name, grants, consumer and lifetime, and ends the old key after the overlap", async () => {
        const { key, token } = await created(access, { expires: time.clock.now() + 90 * DAY_MS });
        await time.pass(10 * DAY_MS);
        const rotation = await access.rotate(key.id, { overlapMs: DAY_MS });
        if (rotation.outcome !== "rotated") throw new Error(rotation.outcome);
        expect(rotation.key).toMatchObject({ ...READER, expires: time.clock.now() + 90 * DAY_MS });
        const old = await findKey(database, key.id);
        expect(old).toMatchObject({ successor: rotation.key.id, expires: time.clock.now() + DAY_MS });
        expect(old === null ? null : keyStatus(old, time.clock.now())).toBe("rotated");
        expect(await nameOf(token)).toBe("cards");
        expect(await nameOf(rotation.token)).toBe("cards");
        expect(await access.rotate(key.id, { overlapMs: 0 })).toMatchObject({ outcome: "ended" });
        await time.pass(DAY_MS);
        expect(await nameOf(token)).toBeNull();
        expect(await nameOf(rotation.token)).toBe("cards");
      });

      test("an overlap does not extend the life of the old key", async () => {
        const { key } = await created(access, { expires: time.clock.now() + 1_000 });
        await access.rotate(key.id, { overlapMs: DAY_MS, expires: null });
        expect(await findKey(database, key.id)).toMatchObject({ expires: key.expires });
        expect(await access.rotate("abcdefghijkl", { overlapMs: 0 })).toEqual({ outcome: "not-found" });
      });

      test("a name belongs to one key that is neither revoked nor expired nor rotated", async () => {
        const { key } = await created(access, { expires: time.clock.now() + 1_000 });
        expect(await access.create(READER)).toEqual({ outcome: "name-taken", id: key.id });
        const rotation = await access.rotate(key.id, { overlapMs: DAY_MS, expires: null });
        if (rotation.outcome !== "rotated") throw new Error(rotation.outcome);
        expect(await access.create(READER)).toEqual({ outcome: "name-taken", id: rotation.key.id });
        await access.revoke(rotation.key.id);
        const again = await created(access, { expires: time.clock.now() + 2_000 });
        await time.pass(2_000);
        expect((await created(access)).key.id).not.toBe(again.key.id);
      });

      test("a new key that is not valid is refused with all of its faults", async () => {
        const result = await access.create({
          name: "jwt:me",
          grants: ["read:/everything", "admin"],
          consumer: "",
          expires: time.clock.now(),
        });
        expect(result).toEqual({
          outcome: "invalid",
          errors: [
            { pointer: "/name", detail: 'must not begin with "jwt:"' },
            {
              pointer: "/grants/0",
              detail: expect.stringContaining("cannot be granted"),
            },
            { pointer: "/consumer", detail: "must not be empty" },
            { pointer: "/expires", detail: "must be in the future" },
          ],
        });
        const pointers = async (key: Partial<typeof READER>) => {
          const refused = await access.create({ ...READER, ...key });
          return refused.outcome === "invalid"
            ? refused.errors.map(({ pointer }) => pointer)
            : refused.outcome;
        };
        expect(await pointers({ name: "é".repeat(101) })).toEqual(["/name"]);
        expect(await pointers({ grants: [] })).toEqual(["/grants"]);
        expect(await pointers({ grants: Array.from({ length: 101 }, () => "admin") })).toEqual(["/grants"]);
        expect(
          await pointers({
            grants: ["append", "read", "erase"].map((verb) => `${verb}:/streams/${"a".repeat(4_000)}`),
          }),
        ).toEqual(["/grants"]);
        expect(await pointers({ name: "é".repeat(100) })).toBe("created");
      });

      test("there are at most as many usable keys as the limit, and a full store can still rotate", async () => {
        const limited = await another({ mostKeys: 2 });
        const { key } = await created(limited, { name: "one" });
        await created(limited, { name: "two" });
        expect(await limited.create({ ...READER, name: "three" })).toEqual({ outcome: "too-many", limit: 2 });
        const rotation = await limited.rotate(key.id, { overlapMs: DAY_MS });
        expect(rotation.outcome).toBe("rotated");
        await limited.revoke(key.id);
        if (rotation.outcome === "rotated") await limited.revoke(rotation.key.id);
        expect((await limited.create({ ...READER, name: "three" })).outcome).toBe("created");
      });

      test("added statements take effect exactly if the change does", async () => {
        await database.write([{ sql: "create table noted (id text, successor text)", args: [] }]);
        const note = ({ id, successor }: { readonly id: string; readonly successor: string | null }) => [
          { sql: "insert into noted values (?, ?)", args: [id, successor] },
        ];
        const noted = () =>
          database.read({ sql: "select id, successor from noted order by rowid", args: [] });
        const made = await access.create(READER, note);
        if (made.outcome !== "created") throw new Error(made.outcome);
        const { id } = made.key;
        expect((await access.create(READER, note)).outcome).toBe("name-taken");
        const rotation = await access.rotate(id, { overlapMs: DAY_MS }, note);
        if (rotation.outcome !== "rotated") throw new Error(rotation.outcome);
        expect((await access.rotate(id, { overlapMs: DAY_MS }, note)).outcome).toBe("ended");
        expect((await access.revoke(id, note)).outcome).toBe("revoked");
        expect((await access.revoke(id, note)).outcome).toBe("already-revoked");
        expect((await access.revoke("abcdefghijkl", note)).outcome).toBe("not-found");
        const rows: readonly Row[] = [
          [id, null],
          [id, rotation.key.id],
          [id, null],
        ];
        expect((await noted()).map((row) => Array.from(row))).toEqual(rows.map((row) => Array.from(row)));
      });

      test("keys are listed in pages, in order of name, also those that have ended", async () => {
        const ids: string[] = [];
        for (const name of ["b", "a", "c"]) ids.push((await created(access, { name })).key.id);
        await access.revoke(ids[0] ?? "");
        await created(access, { name: "b" });
        const names: string[] = [];
        for (let cursor = ""; ;) {
          const page = await listKeys(database, { cursor, limit: 2 });
          names.push(...page.map(({ name }) => name));
          if (page.length < 2) break;
          cursor = page.at(-1)?.id ?? "";
        }
        expect(names).toEqual(["a", "b", "b", "c"]);
      });

      test("the last use is stored later, in one write, and at most every 5 minutes", async () => {
        const { key, token } = await created(access);
        const first = time.clock.now();
        const used = async () => (await findKey(database, key.id))?.used ?? null;
        const settle = () => (runtime === "server" ? time.pass(5_000) : access.settle());
        await access.authenticate(token);
        expect(await used()).toBeNull();
        await settle();
        expect(await used()).toBe(first);
        await time.pass(DAY_MS / 24 / 60);
        await access.authenticate(token);
        await settle();
        expect(await used()).toBe(first);
        await time.pass(5 * 60_000);
        await access.authenticate(token);
        const second = time.clock.now();
        await settle();
        expect(await used()).toBe(second);
        const revisions = await database.read({ sql: "select revision from access_state", args: [] });
        expect(revisions).toHaveLength(1);
      });

      test("requests that last end with their credential: revoked here at once, elsewhere within 5 seconds", async () => {
        const { key, token } = await created(access);
        const kept = await created(access, { name: "kept" });
        const other = await another();
        const watchOf = async (by: Access, text: string) => {
          const principal = await by.authenticate(text);
          if (principal === null) throw new Error("the token is not valid");
          return by.watch(principal);
        };
        const here = await watchOf(access, token);
        const there = await watchOf(other, token);
        const unharmed = await watchOf(other, kept.token);
        await access.revoke(key.id);
        expect(here.ended.aborted).toBe(true);
        expect(there.ended.aborted).toBe(false);
        await time.pass(5_000);
        expect(there.ended.aborted).toBe(true);
        expect(unharmed.ended.aborted).toBe(false);
        unharmed.release();
      });

      test("requests that last end when their credential expires", async () => {
        const { token } = await created(access, { expires: time.clock.now() + 10_000 });
        const principal = await access.authenticate(token);
        if (principal === null) throw new Error("the token is not valid");
        const { ended } = access.watch(principal);
        await time.pass(9_999);
        expect(ended.aborted).toBe(false);
        await time.pass(5_000);
        expect(ended.aborted).toBe(true);
        expect(access.watch(principal).ended.aborted).toBe(true);
      });

      test("requests that last at an open store end when the first key is created, in any process", async () => {
        const other = await another();
        const here = access.watch(ANYBODY);
        const there = other.watch(ANYBODY);
        await created(access);
        expect(here.ended.aborted).toBe(true);
        await time.pass(5_000);
        expect(there.ended.aborted).toBe(true);
        expect(other.isSecured()).toBe(true);
      });

      test("requests without a credential stay open when the store is secured: embedded, or of a public feed", async () => {
        const watched = [TRUSTED, ANONYMOUS].map((principal) => access.watch(principal));
        await created(access);
        await time.pass(5_000);
        for (const { ended, release } of watched) {
          expect(ended.aborted).toBe(false);
          release();
        }
      });

      test("nothing waits and no timer runs when no request lasts", async () => {
        const { token } = await created(access);
        const principal = await access.authenticate(token);
        if (principal === null) throw new Error("the token is not valid");
        await time.pass(10_000);
        expect(time.sleepers()).toBe(0);
        const watched = [access.watch(principal), access.watch(principal)];
        expect(time.sleepers()).toBe(1);
        for (const one of watched) one.release();
        expect(time.sleepers()).toBe(0);
      });

      test("revoking the last key leaves the store secured", async () => {
        const { key } = await created(access);
        await access.revoke(key.id);
        const other = await another();
        await other.refreshed();
        expect(other.isSecured()).toBe(true);
      });

      test("nobody is admitted or refused on outdated knowledge while the database cannot be read", async () => {
        const { token } = await created(access);
        const read = database.read.bind(database);
        let isBroken = false;
        const failing = await another({
          database: {
            ...database,
            read: (statement) => (isBroken ? Promise.reject(new Error("gone")) : read(statement)),
          },
        });
        expect(await nameOf(token, failing)).toBe("cards");
        isBroken = true;
        await time.pass(1_001);
        expect(await failing.authenticate(`${token}0`)).toBeNull();
        await expect(Promise.resolve(failing.authenticate(token))).rejects.toMatchObject({
          code: "storage-unavailable",
        });
        isBroken = false;
        expect(await nameOf(token, failing)).toBe("cards");
      });

      test("a thousand keys are all known, in pages", async () => {
        const digest = "0".repeat(64);
        await database.write([
          {
            sql: `insert into api_keys (id, digest, name, grants, created)
              with recursive number (n) as (select 1 union all select n + 1 from number where n < 1200)
              select printf('bulk%08d', n), ?1, 'bulk-' || n, '["read:/metrics"]', 0 from number`,
            args: [digest],
          },
        ]);
        const { token } = await created(access);
        expect(await nameOf(token)).toBe("cards");
        const [row] = await database.read({ sql: "select count(*) from api_keys", args: [] });
        expect(integerAt(row, 0)).toBe(1_201);
        const bulk = {
          kind: "key",
          name: "bulk-1200",
          grants: [{ verb: "read", path: "/metrics", isPrefix: false, subjectPrefix: "" }],
          consumer: null,
          credential: "bulk00001200",
          expires: null,
        } as const;
        expect(access.isValid(bulk)).toBe(true);
        expect(access.isValid({ ...bulk, credential: "bulk00001201" })).toBe(false);
        expect(access.isValid({ ...bulk, grants: [{ verb: "admin" }] })).toBe(false);
      });
    });
});
