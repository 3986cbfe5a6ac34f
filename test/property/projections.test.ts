import { test } from "bun:test";

import fc from "fast-check";

import { counted, sketch } from "../support/feeds.ts";
import { actions, checkProjections, type Scenario } from "./projections.ts";

const RUNS = Number(process.env["PROPERTY_RUNS"] ?? 40);

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

const scenarios: Record<string, Scenario> = {
  "with streams that are erased": { feeds: [plain, stateful, down, narrow], mayErase: true },
  "with subjects of their own": { feeds: [rekeyed, stateful, down], mayErase: false },
};

for (const [name, scenario] of Object.entries(scenarios)) {
  test(`a feed says what one uninterrupted run says, ${name}`, async () => {
    await fc.assert(
      fc.asyncProperty(actions, fc.infiniteStream(fc.nat(2)), (work, chance) =>
        checkProjections(scenario, work, () => chance.next().value ?? 0),
      ),
      { numRuns: RUNS },
    );
  }, 300_000);
}
