import { basename, join } from "node:path";

import type { Run } from "../contender.ts";
import { freePort, type Sandbox, type Server } from "../sandbox.ts";
import type { RunAnswer, RunRequest } from "./serve-operations.ts";

/** A process in Node that runs operations of a store's own client. */
export interface NodeProcess {
  readonly server: Server;
  run(operation: string, inFlight: number): Run;
  /** Does an operation so many times. */
  repeat(operation: string, count: number): Promise<void>;
}

const FILL_MS = 500;

/** Bundles a script of this folder into `folder`, where it finds its packages, and starts it. */
export async function startNodeProcess(
  sandbox: Sandbox,
  node: string,
  script: string,
  folder: string,
  args: readonly string[],
): Promise<NodeProcess> {
  await Bun.build({
    entrypoints: [join(import.meta.dir, script)],
    outdir: folder,
    target: "node",
    format: "esm",
    naming: "[name].mjs",
    external: ["kilde"],
  });
  const port = freePort();
  const url = `http://127.0.0.1:${port}`;
  const file = join(folder, basename(script).replace(/\.ts$/, ".mjs"));
  const server = await sandbox.start({
    name: "node",
    command: [node, file, String(port), ...args],
    ready: () => fetch(url),
  });
  const ask = async (request: RunRequest): Promise<RunAnswer> => {
    const response = await fetch(url, { method: "POST", body: JSON.stringify(request), timeout: false });
    if (!response.ok) throw new Error(await response.text());
    return (await response.json()) as RunAnswer;
  };
  return {
    server,
    run: (operation, inFlight) => async (durationMs) => {
      const { latenciesMs, ...sample } = await ask({ operation, inFlight, durationMs });
      return { ...sample, latenciesMs: Float64Array.from(latenciesMs) };
    },
    async repeat(operation, count) {
      for (let done = 0; done < count;) {
        done += (await ask({ operation, inFlight: 32, durationMs: FILL_MS })).operations;
      }
    },
  };
}
