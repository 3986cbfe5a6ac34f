import { defineConfig, defineFeed } from "kilde";
import { z } from "zod";

/*
 * What the worker under test serves: sums of each stream, and copies of those sums, which are a feed with state, and
 * a feed of a feed.
 */

const summed = z.object({ n: z.int(), sum: z.int() });

const sums = defineFeed({
  name: "sums",
  version: 1,
  source: { streams: "count-" },
  events: { Added: z.object({ n: z.int() }) },
  contract: { Summed: summed },
  state: { initial: { sum: 0 }, evolve: { Added: (state, { data }) => ({ sum: state.sum + data.n }) } },
  publish: { Added: ({ data }, { sum }) => ({ type: "Summed", data: { n: data.n, sum } }) },
});

const copies = defineFeed({
  name: "copies",
  version: 1,
  source: { feed: "sums", version: 1 },
  events: { Summed: summed },
  contract: { Copied: z.object({ sum: z.int() }) },
  publish: { Summed: ({ data }) => ({ type: "Copied", data: { sum: data.sum } }) },
});

export default defineConfig({ feeds: [sums, copies] });
