import { test } from "bun:test";

import fc from "fast-check";

import { copied, counted, sketch } from "../../support/feeds.ts";
import { actions, program } from "../feed-actions.ts";
import { checkProjections, type Scenario } from "./projections.ts";
import { runsOn } from "../../support/tested-on.ts";

runsOn(["memory", "sqld"]);

const RUNS = Number(process.env["PROPERTY_RUNS"] ?? 20);

const plain = sketch({ name: "plain" });
const stateful = sketch({ name: "stateful", project: counted });
const down = sketch({
  name: "down",
  project: counted,
  source: { log: stateful.path, types: ["PublicA", "PublicB"] },
});
const rekeyed = sketch({
  name: "rekeyed",
  project: counted,
  subject: ({ data }) => (data as { other: string }).other,
});
const narrow = sketch({
  name: "narrow",
  project: counted,
  source: { prefixes: ["s-1", "s-2"], types: ["B"] },
});

const other = ({ data }: { readonly data: unknown }) => (data as { other: string }).other;
const copies = sketch({ name: "copies", subject: other });
const ofCopies = sketch({ name: "of-copies", source: { log: copies.path, types: ["PublicA", "PublicB"] } });
const totals = sketch({
  name: "totals",
  project: counted,
  subject: ({ data }) => ((data as { n: number }).n % 2 === 0 ? "k-even" : "k-odd"),
  source: { log: copies.path, types: ["PublicA", "PublicB"] },
});
const ofRekeyed = sketch({
  name: "of-rekeyed",
  project: counted,
  source: { log: rekeyed.path, types: ["PublicA", "PublicB"] },
});
const copiedAgain = sketch({
  name: "copied-again",
  subject: ({ data }) => `k-${(data as { count: number }).count % 3}`,
  source: { log: rekeyed.path, types: ["PublicA"] },
});
const forgetting = sketch({
  name: "forgetting",
  project: counted,
  erased: ({ position }, state) => [{ type: "Forgotten", data: JSON.stringify({ position, state }) }],
});
const silent = sketch({ name: "silent", erased: () => [] });

/** Its events and their subjects take a program that is not broken. */
function whole<Result>(n: unknown, result: Result): Result {
  if (program.broken && n === 1) throw new Error("the program is broken");
  return result;
}
const fragile = sketch({
  name: "fragile",
  project: (event) => whole((event.data as { n: number }).n, copied(event)),
});
const fragileCopies = sketch({
  name: "fragile-copies",
  subject: ({ data }) => whole((data as { n: number }).n, (data as { other: string }).other),
});
const ofFragileCopies = sketch({
  name: "of-fragile-copies",
  source: { log: fragileCopies.path, types: ["PublicA", "PublicB"] },
});

/** Feeds that gather several subjects of feeds whose subjects are hydrated. */
const every = sketch({
  name: "every",
  project: counted,
  subject: ({ data }) => `k-${(data as { n: number }).n % 2}`,
  source: { log: plain.path, types: ["PublicA", "PublicB"] },
});
const inner = ({ data }: { readonly data: unknown }) =>
  (data as { data: { data: { other: string } } }).data.data;
const everyDown = sketch({
  name: "every-down",
  subject: (event) => inner(event).other,
  source: { log: down.path, types: ["PublicPublicA", "PublicPublicB"] },
});
const everyFragile = sketch({
  name: "every-fragile",
  project: counted,
  subject: ({ data }) => whole((data as { n: number }).n, (data as { other: string }).other),
  source: { log: fragile.path, types: ["PublicA", "PublicB"] },
});
const ofEvery = sketch({
  name: "of-every",
  source: { log: every.path, types: ["PublicPublicA", "PublicPublicB"] },
});

const scenarios: Record<string, Scenario> = {
  "with streams that are erased": { feeds: [plain, stateful, down, narrow], mayErase: true },
  "with handlers for erased streams": {
    feeds: [
      forgetting,
      silent,
      sketch({ name: "of-silent", source: { log: silent.path, types: ["PublicA"] } }),
      sketch({
        name: "silent-too",
        project: counted,
        source: { log: silent.path, types: ["PublicA"] },
        erased: () => [],
      }),
    ],
    mayErase: true,
  },
  "with handlers that fail for a while": {
    feeds: [fragile, fragileCopies, ofFragileCopies],
    mayErase: true,
  },
  "with subjects that are gathered from feeds": {
    feeds: [plain, stateful, down, every, everyDown, ofEvery],
    mayErase: false,
  },
  "with subjects that are gathered from feeds of streams that are erased": {
    feeds: [plain, every, ofEvery, fragile, everyFragile],
    mayErase: true,
  },
  "with subjects of their own": { feeds: [rekeyed, stateful, down], mayErase: false },
  "with subjects of their own, of streams that are erased": {
    feeds: [copies, ofCopies, totals, plain],
    mayErase: true,
  },
  "with subjects and states of their own, of streams that are erased": {
    feeds: [rekeyed, ofRekeyed, copiedAgain],
    mayErase: true,
  },
};

for (const [name, scenario] of Object.entries(scenarios)) {
  test(`a feed has the content of one uninterrupted run, ${name}`, async () => {
    await fc.assert(
      fc.asyncProperty(actions, fc.infiniteStream(fc.nat(2)), (work, chance) =>
        checkProjections(scenario, work, () => chance.next().value ?? 0),
      ),
      { numRuns: RUNS },
    );
  }, 300_000);
}
