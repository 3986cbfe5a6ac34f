import { test } from "bun:test";

/**
 * Where a run of the suites has its stores, by `KILDE_TEST_ON`: in this process with databases of its own, which is the
 * default; `sqld`: in this process with a libSQL server; `worker`: in a worker in workerd, with a libSQL server.
 */
export type TestedOn = "process" | "sqld" | "worker";

/** Where Kilde runs. The first two are in the tests' process. */
export type DeploymentName = "memory" | "file" | "sqld" | "worker";

function testedOn(name: string): TestedOn {
  if (name === "process" || name === "sqld" || name === "worker") return name;
  throw new Error(`KILDE_TEST_ON is ${name}; it must be process, sqld or worker`);
}

export const TESTED_ON = testedOn(process.env["KILDE_TEST_ON"] ?? "process");

export function testedOnOf(deployment: DeploymentName): TestedOn {
  return deployment === "memory" || deployment === "file" ? "process" : deployment;
}

/**
 * Declares where the tests of a file run, for files that do not use `forEachDeployment`. `test/run.ts` reads the
 * declaration from the source, so it is a literal list at the start of a line.
 */
export function runsOn(deployments: readonly DeploymentName[]): void {
  if (deployments.every((deployment) => testedOnOf(deployment) !== TESTED_ON))
    throw new Error(`this file does not run on ${TESTED_ON}`);
}

/** A test that reaches into the process, or needs what a worker cannot be given: a clock, feeds made by hand. */
export const testInProcess = test.skipIf(TESTED_ON === "worker");
