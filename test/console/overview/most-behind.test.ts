import { expect, test } from "bun:test";

import { mostBehind } from "../../../src/console/overview/most-behind.ts";
import { feedInfo } from "../feeds/feed-info.ts";

test("overview: the feeds that are behind are listed by the age of their oldest missing event", () => {
  const behind = (feed: string, seconds: number, events = 1) =>
    feedInfo({ feed, lag: { events, seconds: events === 0 ? 0 : seconds } });
  const feeds = [
    behind("even", 0, 0),
    behind("young", 1, 500),
    behind("old", 90),
    { ...behind("gone", 900), status: "retiring" as const },
    ...Array.from({ length: 9 }, (_, index) => behind(`feed-${index}`, 10 + index)),
  ];
  expect(mostBehind(feeds).map(({ feed }) => feed)).toEqual(["old", "feed-8", "feed-7", "feed-6", "feed-5"]);
  expect(mostBehind([behind("even", 0, 0)])).toEqual([]);
});
