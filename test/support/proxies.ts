import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { test } from "bun:test";

/*
 * Real proxies, from Debian's packages `nginx-light`, `haproxy` and `varnish`. Tests of one that is not installed are
 * skipped.
 */

const PATH = `${process.env["PATH"] ?? ""}:/usr/sbin:/usr/local/sbin`;
const PROGRAMS = { nginx: "nginx", haproxy: "haproxy", varnish: "varnishd" } as const;

export type ProxyName = keyof typeof PROGRAMS;

function programOf(name: ProxyName): string | null {
  return Bun.which(PROGRAMS[name], { PATH });
}

/** `test`, or `test.skip` with a message where the proxy is not installed. */
export function testBehind(name: ProxyName): typeof test | typeof test.skip {
  if (programOf(name) !== null) return test;
  console.warn(`skipped: ${name} is not installed, so nothing is tested behind it`);
  return test.skip;
}

export interface RunningProxy {
  readonly port: number;
  close(): Promise<void>;
}

function freePort(): number {
  const server = Bun.serve({ port: 0, fetch: () => new Response() });
  const { port } = server;
  void server.stop(true);
  if (port === undefined) throw new Error("there is no free port");
  return port;
}

async function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

/** Starts a proxy with the configuration that `configure` gives for a port and an empty folder. */
export async function startProxy(
  name: ProxyName,
  configure: (port: number, folder: string) => string,
): Promise<RunningProxy> {
  const program = programOf(name);
  if (program === null) throw new Error(`${name} is not installed`);
  const folder = mkdtempSync(join(tmpdir(), `kilde-${name}-`));
  // Proxies that root starts give up its rights.
  chmodSync(folder, 0o777);
  const port = freePort();
  const file = join(folder, `${name}.conf`);
  await Bun.write(file, `${configure(port, folder)}\n`);
  const commands: Readonly<Record<ProxyName, string[]>> = {
    nginx: ["-c", file, "-p", folder, "-e", join(folder, "error.log")],
    haproxy: ["-f", file, "-db"],
    varnish: ["-F", "-f", file, "-a", `127.0.0.1:${port}`, "-n", join(folder, "work"), "-s", "malloc,32m"],
  };
  const proxy = Bun.spawn([program, ...commands[name]], { stdout: "ignore", stderr: "pipe" });
  const close = async () => {
    proxy.kill();
    await proxy.exited;
    rmSync(folder, { recursive: true, force: true });
  };
  for (let tries = 0; !(await isOpen(port)); tries += 1) {
    if (proxy.exitCode !== null || tries === 400) {
      const output = proxy.exitCode === null ? "nothing in time" : await new Response(proxy.stderr).text();
      await close();
      throw new Error(`${name} did not start: ${output}`);
    }
    await Bun.sleep(25);
  }
  return { port, close };
}
