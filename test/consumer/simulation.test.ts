import { expect, test } from "bun:test";

import fc from "fast-check";

import { actions, simulate } from "./simulation.ts";
import { libsqlEffects, memoryEffects } from "./support.ts";
import { runsOn } from "../support/tested-on.ts";

runsOn(["memory", "sqld"]);

const RUNS = Number(process.env["PROPERTY_RUNS"] ?? 60);

/** In so many, something is lost that no later event reveals. */
const MANY_RUNS = 300;

const kinds = { memory: { open: memoryEffects, share: 1 }, libsql: { open: libsqlEffects, share: 0.25 } };

for (const [kind, { open, share }] of Object.entries(kinds)) {
  test(`through all faults, each event is handled once, and reconstitution finds the lost ones: ${kind}`, async () => {
    let lost = 0;
    await fc.assert(
      fc.asyncProperty(actions, fc.infiniteStream(fc.nat(11)), async (work, chance) => {
        const effects = open();
        try {
          await effects.read();
          lost += (
            await simulate(effects as ReturnType<typeof memoryEffects>, work, () => chance.next().value ?? 0)
          ).lost;
        } finally {
          await effects.dispose();
        }
      }),
      { numRuns: Math.ceil(RUNS * share) },
    );
    // In so few runs, reconstitution may find no lost event.
    if (kind === "memory" && RUNS >= MANY_RUNS) expect(lost).toBeGreaterThan(0);
  }, 300_000);
}
