import { expect, test } from "bun:test";
import { availableParallelism } from "node:os";

import { CALM_WAIT_MS, simulateSwarm, type SwarmResult } from "./simulation/swarm.ts";
import { runsOn } from "../support/tested-on.ts";

runsOn(["memory", "sqld"]);

/** Seeds of the swarm, each a mixture of its own; the slow suite takes 10,000. */
const SEEDS = Number(process.env["KILDE_SIMULATION_SWARM"] ?? 40);
/** The first seed, to reproduce a failure. */
const FIRST = Number(process.env["KILDE_SIMULATION_FIRST"] ?? 1);

/** From this number of seeds on, each core gets a process. */
const MANY_SEEDS = 400;

const TIMEOUT_MS = 30_000 + SEEDS * 4_000;

async function simulateElsewhere(first: number, count: number): Promise<SwarmResult[]> {
  const script = new URL("./simulation/swarm-process.ts", import.meta.url).pathname;
  const child = Bun.spawn([process.execPath, script, String(first), String(count)], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const text = await new Response(child.stdout).text();
  expect(await child.exited).toBe(0);
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as SwarmResult);
}

async function simulateHere(first: number, count: number): Promise<SwarmResult[]> {
  const results: SwarmResult[] = [];
  await simulateSwarm(first, count, (seed, result) => results.push({ seed, ...result }));
  return results;
}

test(
  "a simulated subscription loses and reorders nothing, and delays no healthy subject, in any mixture of faults",
  async () => {
    const processes = SEEDS >= MANY_SEEDS ? availableParallelism() : 1;
    const share = Math.ceil(SEEDS / processes);
    const results = await Promise.all(
      Array.from({ length: processes }, (_, index) => {
        const [first, count] = [FIRST + index * share, Math.min(share, SEEDS - index * share)];
        return processes > 1 ? simulateElsewhere(first, count) : simulateHere(first, count);
      }),
    );
    const all = results.flat();
    expect(all).toHaveLength(SEEDS);
    const faulty = all.filter(({ faults }) => faults.length > 0);
    expect(faulty.slice(0, 5).map(({ seed, faults }) => `seed ${seed}: ${faults.join("; ")}`)).toEqual([]);
    const slow = all.filter(({ longestCalmWaitMs }) => longestCalmWaitMs > CALM_WAIT_MS);
    expect(slow.map(({ seed, longestCalmWaitMs }) => ({ seed, longestCalmWaitMs }))).toEqual([]);
  },
  TIMEOUT_MS,
);
