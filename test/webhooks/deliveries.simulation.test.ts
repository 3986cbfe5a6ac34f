import { describe, expect, test } from "bun:test";

import type { SimulationOptions, SimulationResult } from "./simulation/options.ts";
import { simulate } from "./simulation/simulate.ts";
import { runsOn } from "../support/tested-on.ts";

runsOn(["memory", "sqld"]);

const SINGLE = { kind: "single" } as const;
const POISON = [400, 429, 500, 502, 503, 504, "timeout", "connection"] as const;
const BATCH = { kind: "batch", events: 10, bytes: 100_000 } as const;

const WELL: Omit<SimulationOptions, "seed"> = {
  mode: SINGLE,
  subjects: 8,
  events: 120,
  nodes: 1,
  crashes: false,
  lostAnswers: false,
  failures: false,
  poisoned: 0,
  poison: [400, 500],
  slowWritesMs: 0,
  slices: "none",
  restarts: false,
  changes: false,
  patches: false,
  filtered: false,
  clockSteps: false,
};

/** Seeds of each kind; the slow suite sets a larger number. */
const SEEDS = Number(process.env["KILDE_SIMULATION_SEEDS"] ?? 8);
/** The first seed, to reproduce a failure. */
const FIRST = Number(process.env["KILDE_SIMULATION_FIRST"] ?? 1);

/** Simulates with each seed. A failure names the seed that reproduces it. */
async function simulateAll(options: Partial<SimulationOptions>): Promise<SimulationResult[]> {
  const results: SimulationResult[] = [];
  for (let seed = FIRST; seed < FIRST + SEEDS; seed += 1) {
    const result = await simulate({ ...WELL, ...options, seed });
    if (result.faults.length > 0) throw new Error(`seed ${seed}: ${result.faults.join("; ")}`);
    results.push(result);
  }
  return results;
}

/** Milliseconds that all seeds of a kind may take. */
const TIMEOUT_MS = 30_000 + SEEDS * 4_000;

const duplicates = (results: readonly SimulationResult[]) =>
  results.reduce((sum, result) => sum + result.duplicates, 0);

for (const mode of [SINGLE, BATCH]) {
  describe(`a simulated subscription, ${mode.kind}`, () => {
    test(
      "delivers every event once when nothing fails",
      async () => {
        const results = await simulateAll({ mode });
        expect(duplicates(results)).toBe(0);
      },
      TIMEOUT_MS,
    );

    test(
      "repeats nothing because of failures alone, and continues beside subjects that are never acknowledged",
      async () => {
        const results = await simulateAll({ mode, failures: true, poisoned: 1, filtered: true });
        expect(duplicates(results)).toBe(0);
      },
      TIMEOUT_MS,
    );

    test(
      "delays no other subject because of one that is never acknowledged",
      async () => {
        const [poisoned, healthy] = [
          await simulateAll({ mode, poisoned: 2 }),
          await simulateAll({ mode, poisoned: 0 }),
        ];
        const longest = (results: readonly SimulationResult[]) =>
          results.map(({ longestWaitMs }) => longestWaitMs).toSorted((a, b) => a - b);
        const median = (waits: readonly number[]) => waits[waits.length >> 1] ?? 0;
        // In batches, one failed batch separates a failing subject from the others.
        expect(median(longest(poisoned))).toBeLessThan(median(longest(healthy)) + 1_000);
      },
      TIMEOUT_MS,
    );

    test(
      "repeats deliveries whose answer was lost",
      async () => {
        const results = await simulateAll({ mode, failures: true, lostAnswers: true });
        expect(results.every(({ taken }) => taken > 0)).toBe(true);
      },
      TIMEOUT_MS,
    );

    test(
      "loses and reorders nothing when nodes crash, stand still and lose writes",
      async () => {
        await simulateAll({ mode, nodes: 3, crashes: true, failures: true, lostAnswers: true, poisoned: 2 });
      },
      TIMEOUT_MS,
    );

    test(
      "loses and reorders nothing while it is paused, rewound, retried and skipped",
      async () => {
        await simulateAll({ mode, changes: true, failures: true, poisoned: 1 });
      },
      TIMEOUT_MS,
    );

    test(
      "loses, reorders and delays nothing when wall clocks are corrected by hours, in both directions",
      async () => {
        const stepping = { mode, failures: true, poisoned: 1, clockSteps: true };
        await simulateAll(stepping);
        await simulateAll({ ...stepping, nodes: 3, crashes: true, lostAnswers: true });
      },
      2 * TIMEOUT_MS,
    );

    test(
      "loses nothing when writes are slow and fail, at every end of a dispatcher",
      async () => {
        const slow = {
          mode,
          changes: true,
          failures: true,
          poisoned: 1,
          slowWritesMs: 3_000,
        };
        await simulateAll(slow);
        await simulateAll({ ...slow, nodes: 3, crashes: true, patches: true });
      },
      2 * TIMEOUT_MS,
    );

    test(
      "loses and reorders nothing when its mode, types, URL and concurrency are changed",
      async () => {
        await simulateAll({
          mode,
          patches: true,
          failures: true,
          poisoned: 2,
          poison: POISON,
        });
        await simulateAll({
          mode,
          patches: true,
          changes: true,
          failures: true,
          poisoned: 1,
          poison: POISON,
        });
      },
      2 * TIMEOUT_MS,
    );

    test(
      "loses and reorders nothing in slices that end at any moment",
      async () => {
        await simulateAll({ mode, slices: "all" });
        const hostile = {
          mode,
          slices: "all" as const,
          failures: true,
          changes: true,
          patches: true,
          slowWritesMs: 1_000,
        };
        await simulateAll({ ...hostile, nodes: 2, crashes: true, poisoned: 1, poison: POISON });
      },
      2 * TIMEOUT_MS,
    );

    for (const poison of POISON) {
      test(
        `delivers other subjects beside two that are always answered ${poison}`,
        async () => {
          const results = await simulateAll({
            mode,
            subjects: 40,
            poisoned: 2,
            poison: [poison],
          });
          // Events that share its first batch wait until that times out: 15 s, if it is not answered.
          const firstMs = poison === "timeout" ? 15_000 : 0;
          const most = 5_000 + firstMs;
          for (const { longestWaitMs } of results) expect(longestWaitMs).toBeLessThan(most);
        },
        TIMEOUT_MS,
      );
    }

    test(
      "loses and reorders nothing with all of these faults at once",
      async () => {
        await simulateAll({
          mode,
          nodes: 3,
          crashes: true,
          failures: true,
          lostAnswers: true,
          poisoned: 1,
          poison: POISON,
          slowWritesMs: 500,
          changes: true,
          patches: true,
          filtered: true,
          clockSteps: true,
        });
      },
      TIMEOUT_MS,
    );
  });
}
