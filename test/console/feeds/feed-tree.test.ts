import { expect, test } from "bun:test";

import { versionName } from "../../../src/console/feeds/feed-groups.ts";
import { type FeedTree, feedTrees, projectedFrom } from "../../../src/console/feeds/feed-tree.ts";
import { feedInfo } from "./feed-info.ts";

const info = (feed: string, version: number, source: string | null) => feedInfo({ feed, version, source });

const FEEDS = [
  info("users", 1, "/events"),
  info("totals", 1, "/feeds/users/v1"),
  info("reports", 1, "/feeds/totals/v1"),
  info("totals", 2, "/feeds/users/v1"),
  info("leaks", 1, "/feeds/hidden/v1"),
  info("secrets", 1, null),
];

function text({ feed, children }: FeedTree): string {
  return versionName(feed) + (children.length === 0 ? "" : `(${children.map(text).join(" ")})`);
}

test("feeds: each version stands below the log that it is projected from", () => {
  const { ofEvents, ofOthers } = feedTrees(FEEDS);
  expect(ofEvents.map(text)).toEqual(["users/v1(totals/v1(reports/v1) totals/v2)"]);
  expect(ofOthers.map(text)).toEqual(["leaks/v1", "secrets/v1"]);
});

test("feeds: those that are projected from a version keep it from being retired", () => {
  const [users, , reports] = FEEDS;
  if (users === undefined || reports === undefined) throw new Error("the feeds are listed above");
  expect(projectedFrom(users, FEEDS).map(versionName)).toEqual(["totals/v1", "totals/v2"]);
  expect(projectedFrom(reports, FEEDS)).toEqual([]);
});
