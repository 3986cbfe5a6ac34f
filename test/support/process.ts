import { join } from "node:path";

const MAIN = join(import.meta.dir, "../../src/main.ts");

/** The real server in a process of its own. */
export interface ServerProcess {
  readonly url: string;
  readonly pid: number;
  kill(signal: NodeJS.Signals): Promise<void>;
}

const FROM_SOURCE: readonly string[] = [process.execPath, MAIN];

/** Starts `kilde serve` on a free port, and waits until it listens. `program`: default: as it runs from source. */
export async function startServer(
  databaseUrl: string,
  environment: Readonly<Record<string, string>> = {},
  program = FROM_SOURCE,
): Promise<ServerProcess> {
  const child = Bun.spawn([...program, "serve", "--port", "0", "--database-url", databaseUrl], {
    env: { ...process.env, KILDE_ACCESS_LOG: "false", ...environment },
    stdout: "pipe",
    stderr: "pipe",
  });
  let output = "";
  const decoder = new TextDecoder();
  for await (const bytes of child.stderr) {
    output += decoder.decode(bytes, { stream: true });
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(output)?.[0];
    if (url === undefined) continue;
    return {
      url,
      pid: child.pid,
      async kill(signal) {
        child.kill(signal);
        await child.exited;
      },
    };
  }
  throw new Error(`the server did not start: ${output}`);
}
