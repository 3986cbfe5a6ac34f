import { expect, test } from "bun:test";

import { hourlyLag, withCurrentLag } from "../../../src/console/consumers/hourly-lag.ts";

const at = (clock: string, events: number, seconds: number) => ({
  time: `2026-01-31T${clock}:00Z`,
  events,
  seconds,
});

test("hourly lag: each hour has its highest numbers, the latest hour first", () => {
  expect(hourlyLag({ samples: [at("10:00", 5, 1), at("10:55", 2, 9), at("12:05", 3, 4)] })).toEqual([
    { hour: "2026-01-31T12:00:00.000Z", events: 3, seconds: 4 },
    { hour: "2026-01-31T10:00:00.000Z", events: 5, seconds: 9 },
  ]);
});

test("hourly lag: without samples there is no hour", () => {
  expect(hourlyLag({ samples: [] })).toEqual([]);
});

test("current lag: it follows the samples of the server", () => {
  const now = Date.parse("2026-01-31T12:07:00Z");
  expect(withCurrentLag({ samples: [at("12:05", 3, 4)] }, { events: 1, seconds: 2 }, now)).toEqual([
    at("12:05", 3, 4),
    { time: "2026-01-31T12:07:00.000Z", events: 1, seconds: 2 },
  ]);
});
