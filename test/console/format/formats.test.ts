import { expect, test } from "bun:test";
import { join } from "node:path";

import { formatBytes, formatCounted } from "../../../src/console/format/counts.ts";
import { formatAgo, formatDuration, formatTime, formatUntil } from "../../../src/console/format/times.ts";

const TIMES = join(import.meta.dir, "../../../src/console/format/times.ts");

test.each([
  [0, "0 s"],
  [59.9, "59 s"],
  [60, "1 min"],
  [7_200, "2 h"],
  [200_000, "2 d"],
])("times: %p seconds are %s", (seconds, text) => {
  expect(formatDuration(seconds)).toBe(text);
});

test("times: a time ahead of a slow clock is now, and a text that is not a time stays as it is", () => {
  const now = Date.parse("2026-01-01T00:00:10Z");
  expect(formatAgo("2026-01-01T00:00:00Z", now)).toBe("10 s ago");
  expect(formatAgo("2026-01-01T00:01:00Z", now)).toBe("just now");
  expect(formatAgo("<b>", now)).toBe("<b>");
  expect(formatTime("<b>")).toBe("<b>");
  expect(formatUntil("2026-01-01T00:01:00Z", now)).toBe("in 50 s");
  expect(formatUntil("2026-01-01T00:00:00Z", now)).toBe("now");
});

test("times: a date has no time, and is the same in each zone", async () => {
  const script = `console.log(require(${JSON.stringify(TIMES)}).formatTime("2026-12-31"))`;
  for (const TZ of ["America/Los_Angeles", "UTC", "Pacific/Auckland"]) {
    const { stdout } = Bun.spawnSync([process.execPath, "-e", script], { env: { ...process.env, TZ } });
    expect([TZ, stdout.toString().trim()]).toEqual([TZ, "Dec 31, 2026"]);
  }
  expect(formatTime("2026-12-31T23:00:00Z")).toMatch(/:\d\d:00/);
});

test("counts: one thing is singular, and large numbers have separators", () => {
  expect(formatCounted(1, "event")).toBe("1 event");
  expect(formatCounted(1_000_000, "event")).toBe("1,000,000 events");
  expect(formatBytes(5 * 1024 * 1024)).toBe("5.0 MiB");
});
