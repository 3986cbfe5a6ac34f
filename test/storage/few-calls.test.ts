import { expect, test } from "bun:test";

import type { Database, Statement } from "../../src/storage/database.ts";
import { readOfAll } from "../../src/storage/read-of-all.ts";
import { writeTogether } from "../../src/storage/write-together.ts";
import { newDatabase } from "../support/new-database.ts";

const EACH = "select value * 10 from json_each(?1) order by key";

test("the rows of many items are read at once, and in halves where the answer is too large", async () => {
  const database = await newDatabase();
  const items = Array.from({ length: 11 }, (_, index) => index);
  let calls = 0;
  const limited = (most: number): Pick<Database, "read"> => ({
    async read(statement) {
      calls += 1;
      const rows = await database.read(statement);
      if (rows.length > most) throw Object.assign(new Error("refused"), { code: "RESPONSE_TOO_LARGE" });
      return rows;
    },
  });
  const all = items.map((item) => [item * 10]);
  expect(await readOfAll(limited(11), EACH, items)).toEqual(all);
  expect(calls).toBe(1);
  expect(await readOfAll(limited(3), EACH, items)).toEqual(all);
  expect(readOfAll(limited(0), EACH, items)).rejects.toThrow("refused");
  calls = 0;
  expect(await readOfAll(limited(0), EACH, [])).toEqual([]);
  expect(calls).toBe(0);
  database.close();
});

test("groups of statements are written in few batches of a bounded size, each with its own rows", async () => {
  const database = await newDatabase();
  const batches: number[] = [];
  const counting: Pick<Database, "write"> = {
    write(statements) {
      batches.push(statements.length);
      return database.write(statements);
    },
  };
  const select = (text: string): Statement => ({ sql: "select length(?1)", args: [text] });
  const small = [[select("a"), select("ab")], [], [select("abc")]];
  expect(await writeTogether(counting, small)).toEqual([[[[1]], [[2]]], [], [[[3]]]]);
  expect(batches).toEqual([3]);
  batches.length = 0;
  const large = Array.from({ length: 5 }, (_, index) => [select("x".repeat(400_000 + index))]);
  expect(await writeTogether(counting, large)).toEqual(large.map((_, index) => [[[400_000 + index]]]));
  expect(batches).toEqual([2, 2, 1]);
  batches.length = 0;
  expect(await writeTogether(counting, [[], []])).toEqual([[], []]);
  expect(batches).toEqual([]);
  database.close();
});
