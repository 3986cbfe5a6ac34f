import { expect, test } from "bun:test";

import { logAt, logsOf } from "../../../src/console/consumers/consumed-log.ts";

test("logs: those of a store are the event log, versions of feeds, and the log of administration", () => {
  expect(logsOf([{ feed: "users", version: 2 }]).map(({ path, feed }) => [path, feed])).toEqual([
    ["/events", undefined],
    ["/feeds/users/v2", "users/v2"],
    ["/operations", "/operations"],
  ]);
});

test("logs: a path of something else is none", () => {
  for (const path of ["", "/", "/streams", "/feeds/users", "/feeds/users/v0", "/feeds/a/b/v1", "//evil/v1"])
    expect([path, logAt(path)]).toEqual([path, null]);
});
