import { expect, test } from "bun:test";

import type { ApiKey } from "../../../src/client/key-types.ts";
import { keyHint } from "../../../src/console/keys/key-hint.ts";

const NOW = Date.parse("2026-06-01T00:00:00Z");
const key: ApiKey = {
  key: "abc",
  name: "cards",
  status: "active",
  grants: ["admin"],
  consumer: null,
  created: "2025-01-01T00:00:00Z",
  expires: null,
  revoked: null,
  successor: null,
  used: "2026-05-31T00:00:00Z",
};

test("hint: a key in use needs nothing", () => {
  expect(keyHint(key, NOW)).toBe(null);
  expect(keyHint({ ...key, expires: "2027-01-01T00:00:00Z" }, NOW)).toBe(null);
});

test("hint: a key that ends within two weeks should be rotated", () => {
  expect(keyHint({ ...key, expires: "2026-06-10T00:00:00Z" }, NOW)).toContain("rotate");
});

test("hint: a key without a use for 90 days, or since it was created, may be revoked", () => {
  expect(keyHint({ ...key, used: "2026-02-01T00:00:00Z" }, NOW)).toContain("revoke");
  expect(keyHint({ ...key, used: null }, NOW)).toContain("revoke");
  expect(keyHint({ ...key, used: null, created: "2026-05-01T00:00:00Z" }, NOW)).toBe(null);
});

test("hint: a key that has ended, or is replaced, has none", () => {
  for (const status of ["rotated", "expired", "revoked"] as const)
    expect(keyHint({ ...key, status, used: null }, NOW)).toBe(null);
});
