import { expect } from "bun:test";
import fc from "fast-check";

import { type Cluster, nodeOf, withCluster } from "../support/store.ts";
import { callOf, send, step, type Step } from "./calls.ts";
import { type Call, createModel } from "./model.ts";
import { compareAll, compareReading, type Reading, reading } from "./reads.ts";

/** Readings in between fill the caches of the servers, which later steps may put out of date. */
const action = fc.oneof({ weight: 6, arbitrary: step }, { weight: 1, arbitrary: reading });

async function run(
  cluster: Cluster,
  actions: readonly (Step | Reading)[],
  readings: readonly Reading[],
): Promise<void> {
  const model = createModel();
  const keyed: Call[] = [];
  for (const planned of actions) {
    const node = nodeOf(cluster, planned.node);
    if (!("kind" in planned)) {
      await compareReading(node, model, planned);
      continue;
    }
    const call = callOf(planned, model, keyed);
    if (call === null) continue;
    if ("key" in call && call.key !== null) keyed.push(call);
    const expected = model.apply(call);
    expect(await send(node, call)).toEqual(expected);
    if (call.kind !== "truncate") continue;
    // A server may keep sending its followers events that another server truncated; so each server gets the call.
    for (const other of cluster.nodes) expect(await send(other, call)).toEqual(expected);
  }
  for (const how of readings) {
    await compareReading(nodeOf(cluster, how.node), model, how);
    await compareAll(nodeOf(cluster, how.node), model, how);
  }
}

/** Random requests, one after the other and each to any of the servers, return and leave the outcome of the model. */
export async function checkAgainstModel(
  open: () => Promise<Cluster>,
  { runs, actions }: { runs: number; actions: number },
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(
      fc.array(action, { minLength: 1, maxLength: actions, size: "max" }),
      fc.array(reading, { minLength: 1, maxLength: 6, size: "max" }),
      (planned, readings) => withCluster(open, (cluster) => run(cluster, planned, readings)),
    ),
    { numRuns: runs },
  );
}
