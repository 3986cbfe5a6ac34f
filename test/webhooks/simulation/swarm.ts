import { chanceOf } from "../../support/chance.ts";
import type { Poison, SimulationOptions, SimulationResult } from "./options.ts";
import { simulate } from "./simulate.ts";

/**
 * Once everything works, no event waits longer whose subject had no failed attempt: an endpoint may have requested a
 * pause of two minutes just before, and a process that is gone may hold the lease.
 */
export const CALM_WAIT_MS = 150_000;

export interface SwarmResult extends SimulationResult {
  readonly seed: number;
}

const POISON: readonly Poison[] = [400, 429, 500, 502, 503, 504, "timeout", "connection"];

/** The simulation of one seed of the swarm: a mixture that the seed determines, so that every combination occurs. */
export function mixture(seed: number): SimulationOptions {
  const chance = chanceOf(seed ^ 0x5eed);
  const upTo = (most: number) => Math.floor(chance() * most);
  const often = () => chance() < 0.5;
  const modes = [
    { kind: "single" },
    { kind: "batch", events: 1 + upTo(20), bytes: 500 + upTo(100_000) },
    { kind: "doorbell" },
  ] as const;
  const first = upTo(POISON.length);
  return {
    seed,
    // A doorbell has nothing to compare: the receiver reads the log.
    mode: modes[upTo(20) === 0 ? 2 : upTo(2)] ?? { kind: "single" },
    subjects: 4 + upTo(12),
    events: 40 + upTo(80),
    nodes: 1 + upTo(3),
    crashes: often(),
    lostAnswers: often(),
    failures: often(),
    poisoned: upTo(3),
    poison: [...POISON.slice(first), ...POISON.slice(0, first)],
    slowWritesMs: [0, 0, 500, 3_000][upTo(4)] ?? 0,
    changes: often(),
    patches: often(),
    restarts: often(),
    slices: (["none", "none", "some", "all"] as const)[upTo(4)] ?? "none",
    filtered: chance() < 0.3,
    clockSteps: chance() < 0.3,
  };
}

/** Simulates one seed after the other. */
export async function simulateSwarm(
  first: number,
  count: number,
  onResult: (seed: number, result: SimulationResult) => void,
): Promise<void> {
  for (let seed = first; seed < first + count; seed += 1) onResult(seed, await simulate(mixture(seed)));
}
