import { type Deployment, file, memory } from "./app.ts";
import { sqld } from "./sqld.ts";
import { type DeploymentName, runsOn, TESTED_ON, testedOnOf } from "./tested-on.ts";

/** A worker has its database on a libSQL server. */
const DEPLOYMENTS: Readonly<Record<DeploymentName, Deployment>> = { memory, file, sqld, worker: sqld };

/** Defines tests for each of the deployments that belongs to this run; `test/run.ts` reads the list from the source. */
export function forEachDeployment(
  names: readonly DeploymentName[],
  define: (deployment: Deployment) => void,
): void {
  runsOn(names);
  for (const name of names) if (testedOnOf(name) === TESTED_ON) define(DEPLOYMENTS[name]);
}

/** A database that several can open. */
export const shared: Deployment = TESTED_ON === "process" ? file : sqld;
