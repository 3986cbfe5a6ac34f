import { defineConfig, defineFeed } from "kilde";
import { z } from "zod";

/** Work for each event, so that a page sees a version while it is built: about a millisecond. */
const ROUNDS = 20_000;

const counted = z.object({ count: z.int() });

function slowly(count: number): number {
  let sum = count;
  for (let round = 0; round < ROUNDS; round += 1) sum = (sum * 31 + round) % 1_000_003;
  return sum;
}

const version = (number: number) =>
  defineFeed({
    name: "counts",
    version: number,
    description: "Counts, with a checksum that takes time",
    source: { streams: "count-" },
    events: { Counted: counted },
    contract: { Counted: z.object({ count: z.int(), checksum: z.int() }) },
    publish: {
      Counted: ({ data }) => ({ type: "Counted", data: { ...data, checksum: slowly(data.count) } }),
    },
  });

/** The versions of this deployment: a later one adds some. */
const versions = (process.env["KILDE_TEST_VERSIONS"] ?? "1").split(",").map(Number);

export default defineConfig({ feeds: versions.map(version) });
