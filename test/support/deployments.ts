import { type Deployment, file, memory } from "./app.ts";
import { sqld } from "./sqld.ts";
import { TESTED_ON } from "./tested-on.ts";

/** What the contract's suites run on, one after the other. */
export const deployments: readonly Deployment[] = TESTED_ON === "process" ? [memory, file] : [sqld];

/** A database that several can open. */
export const shared: Deployment = TESTED_ON === "process" ? file : sqld;
