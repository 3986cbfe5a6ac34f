import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type Client, createClient } from "../../../src/client/index.ts";
import { type Finished, serve } from "../../cli/support.ts";
import { TEST_SECRET_KEY } from "../../support/app.ts";

export interface ConsoleServerOptions {
  /** Name of a file beside this one. Default: a store without feeds. */
  readonly config?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** A server in a process of its own, which keeps its address and its folder when it starts again. */
export interface ConsoleServer {
  readonly url: string;
  readonly folder: string;
  /** Without credentials. */
  readonly client: Client;
  kilde(...args: readonly string[]): Promise<Finished>;
  stop(signal?: NodeJS.Signals): Promise<void>;
  start(options?: ConsoleServerOptions): Promise<void>;
  /** Stops it, and removes its folder. */
  close(): Promise<void>;
}

/** Starts a server with a database of its own. */
export async function openConsoleServer(initial: ConsoleServerOptions = {}): Promise<ConsoleServer> {
  const folder = mkdtempSync(join(tmpdir(), "kilde-console-"));
  const started = (port: string, { config, environment }: ConsoleServerOptions) => {
    const args = config === undefined ? [] : ["--config", join(import.meta.dir, config)];
    return serve(folder, ["--port", port, "--no-access-log", "--environment", "staging", ...args], {
      environment: { KILDE_SECRET_KEYS: TEST_SECRET_KEY, KILDE_EGRESS_ALLOW: "127.0.0.1", ...environment },
    });
  };
  let served = await started("0", initial);
  const { url } = served;
  const stop = async (signal: NodeJS.Signals = "SIGTERM"): Promise<void> => {
    await served.stop(signal);
  };
  return {
    url,
    folder,
    client: createClient({ url }),
    kilde: (...args) => served.kilde(args),
    stop,
    async start(options = initial) {
      served = await started(new URL(url).port, options);
    },
    async close() {
      await stop("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
