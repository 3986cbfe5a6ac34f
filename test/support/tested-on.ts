import { test } from "bun:test";

/**
 * What the suites of the HTTP surface run on, by `KILDE_TEST_ON`: this process with databases of its own, which is the
 * default; `sqld`: this process with a libSQL server; `worker`: a worker in workerd, with a libSQL server.
 */
export type TestedOn = "process" | "sqld" | "worker";

function testedOn(name: string): TestedOn {
  if (name === "process" || name === "sqld" || name === "worker") return name;
  throw new Error(`KILDE_TEST_ON is ${name}: it is to be process, sqld or worker`);
}

export const TESTED_ON = testedOn(process.env["KILDE_TEST_ON"] ?? "process");

/** A test that reaches into the process, or gives it what cannot be given to a worker: a clock, feeds made by hand. */
export const testInProcess = test.skipIf(TESTED_ON === "worker");
