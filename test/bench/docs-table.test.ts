import { expect, test } from "bun:test";
import { join } from "node:path";

import { withTable } from "./docs-table.ts";
import { medianRow } from "./measure.ts";
import { type Results, roundOf } from "./results.ts";
import { NO_FEED, ONE_FEED } from "./ways.ts";

const PAGE = join(import.meta.dir, "../../src/docs/operate/sizing.md");

function rowOf(contender: string, way: string, value: number) {
  const rounds = [roundOf(value)];
  return medianRow({ contender, way, settings: "" }, rounds, rounds);
}

const rows = [
  rowOf("Kilde", NO_FEED, 20_000),
  rowOf("Kilde", ONE_FEED, 16_000),
  rowOf("bare loop", "insert", 123_456),
];

test("the page on speed has a place for the table, and keeps all that is around it", async () => {
  const page = await Bun.file(PAGE).text();
  const results: Results = {
    machine: {
      cores: 2,
      cpu: "A",
      memoryGb: 8,
      kernel: "B",
      fileSystem: "C",
      versions: { Bun: "1.4.5" },
      missing: {},
    },
    rounds: 3,
    roundSeconds: 2,
    works: [{ name: "append-feeds", title: "Appends", unit: "events/s", rows, verdicts: [] }],
  };

  const written = withTable(page, results);

  const line =
    "| Appends | no feed: 20,000 a second; 1 live feed: 16,000 a second | bare loop, insert: 123,000 a second |";
  expect(written).toContain(line);
  const [start = ""] = page.split("<!-- Written by");
  const end = page.slice(page.indexOf("<!-- The end of that. -->"));
  expect(start.length).toBeGreaterThan(100);
  expect(end.length).toBeGreaterThan(100);
  expect(written.startsWith(start)).toBe(true);
  expect(written.endsWith(end)).toBe(true);
  expect(withTable(written, results)).toBe(written);
});
