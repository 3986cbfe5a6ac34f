import { simulateSwarm } from "./swarm.ts";

/* Simulates a share of the swarm's seeds: `bun swarm-process.ts FIRST COUNT`. Prints a line of JSON for each seed. */

const [first = 1, count = 1] = process.argv.slice(2).map(Number);
await simulateSwarm(first, count, (seed, result) => {
  process.stdout.write(`${JSON.stringify({ seed, ...result })}\n`);
});
// Nodes of past simulations wait for a time that never comes.
process.exit(0);
