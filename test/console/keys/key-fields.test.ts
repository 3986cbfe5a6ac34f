import { expect, test } from "bun:test";

import { expiryOf, grantsOf } from "../../../src/console/keys/key-fields.ts";

test("fields: each line is a grant, without the space around it", () => {
  expect(grantsOf(" read:/events \n\n append:/streams/order-*\n")).toEqual([
    "read:/events",
    "append:/streams/order-*",
  ]);
  expect(grantsOf(" \n")).toEqual([]);
});

test("fields: an expiry is a local time, or never", () => {
  expect(expiryOf("")).toBe(null);
  expect(expiryOf("2026-01-31T12:00")).toBe(new Date(2026, 0, 31, 12).toISOString());
});
