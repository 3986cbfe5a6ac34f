import { chmodSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Magic numbers of file systems in memory (statfs(2)): fsync costs nothing there, so figures would be idle. */
const MEMORY_FILE_SYSTEMS = new Set([0x0102_1994, 0x8584_58f6]);

const START_DEADLINE_MS = 30_000;
const STOP_DEADLINE_MS = 15_000;

export interface Server {
  readonly pid: number;
  stop(): Promise<void>;
}

export interface ServerOptions {
  readonly name: string;
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The account to run as, for servers that refuse root. */
  readonly user?: string | undefined;
  /** Resolves when the server answers, and rejects otherwise. */
  readonly ready: () => Promise<unknown>;
  /** How often that is asked. */
  readonly pollMs?: number;
}

/** The folder and the servers of a run: gone when it ends, however it ends. */
export interface Sandbox {
  /** A new folder on a real disk. */
  folder(name: string): string;
  start(options: ServerOptions): Promise<Server>;
  close(): Promise<void>;
}

function diskFolder(): string {
  const usual = tmpdir();
  return MEMORY_FILE_SYSTEMS.has(statfsSync(usual).type) ? "/var/tmp" : usual;
}

/** A port that nobody listens on now. */
export function freePort(): number {
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = probe;
  probe.stop(true);
  return port;
}

/**
 * On Linux the kernel ends the servers when the benchmark dies without a chance to (`kill -9`), and `setpriv`
 * changes the account without a process in between that would have to pass signals on.
 */
export function asChild(command: readonly string[], user?: string): string[] {
  const setpriv = Bun.which("setpriv");
  if (setpriv === null) return [...command];
  const account = user === undefined ? [] : [`--reuid=${user}`, `--regid=${user}`, "--init-groups"];
  return [setpriv, "--pdeathsig=INT", ...account, ...command];
}

async function untilReady(
  { ready, pollMs = 20 }: ServerOptions,
  child: Bun.Subprocess,
  log: string,
): Promise<void> {
  const deadline = performance.now() + START_DEADLINE_MS;
  for (;;) {
    try {
      await ready();
      return;
    } catch (error) {
      const late = performance.now() > deadline;
      if (!late && child.exitCode === null && child.signalCode === null) {
        await Bun.sleep(pollMs);
        continue;
      }
      const output = readFileSync(log, "utf8").slice(-2_000);
      throw new Error(`${late ? "did not answer in time" : "ended at once"}: ${String(error)}\n${output}`, {
        cause: error,
      });
    }
  }
}

export function openSandbox(): Sandbox {
  const base = mkdtempSync(join(diskFolder(), "kilde-bench-"));
  // Servers that run under another account must get at their folders below it.
  chmodSync(base, 0o755);
  const children = new Set<Bun.Subprocess>();

  const abandon = () => {
    for (const child of children) child.kill("SIGKILL");
    rmSync(base, { recursive: true, force: true });
  };
  const interrupted = () => {
    abandon();
    process.exit(130);
  };
  process.on("exit", abandon);
  process.on("SIGINT", interrupted);
  process.on("SIGTERM", interrupted);

  const stop = async (child: Bun.Subprocess) => {
    // To PostgreSQL SIGTERM means to wait for its clients; SIGINT ends all of these servers in order.
    child.kill("SIGINT");
    const patience = setTimeout(() => child.kill("SIGKILL"), STOP_DEADLINE_MS);
    await child.exited;
    clearTimeout(patience);
    children.delete(child);
  };

  return {
    folder(name) {
      const path = join(base, `${name}-${Bun.randomUUIDv7()}`);
      mkdirSync(path);
      return path;
    },
    async start(options) {
      const { name, command, env, user } = options;
      const log = join(base, `${name}.log`);
      const output = openSync(log, "a");
      const child = Bun.spawn(asChild(command, user), {
        cwd: base,
        env: { ...process.env, ...env },
        stdin: "ignore",
        stdout: output,
        stderr: output,
      });
      children.add(child);
      try {
        await untilReady(options, child, log);
      } catch (error) {
        await stop(child);
        throw new Error(`${name} ${error instanceof Error ? error.message : String(error)}`, {
          cause: error,
        });
      }
      return { pid: child.pid, stop: () => stop(child) };
    },
    async close() {
      await Promise.all([...children].map(stop));
      process.off("exit", abandon);
      process.off("SIGINT", interrupted);
      process.off("SIGTERM", interrupted);
      rmSync(base, { recursive: true, force: true });
    },
  };
}
