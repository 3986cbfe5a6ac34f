import { expect, test } from "bun:test";

import { listCommand, logAt, logsOf } from "../../../src/console/consumers/consumed-log.ts";

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

test("logs: the command that lists consumers names the feed as the command line takes it", () => {
  const commandAt = (path: string) => {
    const log = logAt(path);
    return log === null ? "" : listCommand(log).join(" ");
  };
  expect(commandAt("/events")).toBe("kilde consumers");
  expect(commandAt("/feeds/users/v2")).toBe("kilde consumers --feed users/v2");
});
