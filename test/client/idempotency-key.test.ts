import { expect, test } from "bun:test";

import { newIdempotencyKey } from "../../src/client/idempotency-key.ts";

const VERSION_7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test("new keys are UUIDs of version 7, sort by time, and differ within a millisecond", () => {
  const times = [0, 1, 255, 1_700_000_000_000, 1_700_000_000_001, 2 ** 48 - 1];
  const keys = times.map((time) => newIdempotencyKey(time));
  for (const key of keys) expect(key).toMatch(VERSION_7);
  expect(keys.toSorted()).toEqual(keys);
  expect(keys.map((key) => Number.parseInt(key.slice(0, 13).replace("-", ""), 16))).toEqual(times);
  expect(new Set(Array.from({ length: 1_000 }, () => newIdempotencyKey(7))).size).toBe(1_000);
});
