import { cpSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";

import type { BenchmarkOptions } from "./course.ts";
import { type Contender, NotInstalled, type Task } from "./contender.ts";
import { nodeProgram } from "./installed.ts";
import { append, headOf, startServer } from "./kilde-server.ts";
import { type Entry, measure } from "./measure.ts";
import { startNodeProcess, type NodeProcess } from "./node/node-process.ts";
import { startEmmett } from "./peers/emmett.ts";
import type { WorkResult } from "./results.ts";
import type { Sandbox } from "./sandbox.ts";
import { inNode, NODE_MAJORS } from "./ways.ts";
import { resultOf } from "./work-result.ts";
import * as work from "./workload.ts";

/* `kilde/client` in Node, as npm installs it, beside Emmett on PostgreSQL in the same Node. */

const ROOT = join(import.meta.dir, "../..");

/** A project that has installed the package: the library as it is built for npm, and its dependencies. */
function installLibrary(sandbox: Sandbox): string {
  const project = sandbox.folder("project");
  const installed = join(project, "node_modules/kilde");
  mkdirSync(installed, { recursive: true });
  const build = join(ROOT, "src/build/build.ts");
  const command = [process.execPath, build, "--library", "--outdir", join(installed, "dist")];
  const { exitCode, stderr } = Bun.spawnSync(command, { cwd: ROOT, stdout: "ignore", stderr: "pipe" });
  if (exitCode !== 0) throw new Error(stderr.toString());
  cpSync(join(ROOT, "package.json"), join(installed, "package.json"));
  symlinkSync(join(ROOT, "node_modules"), join(installed, "node_modules"));
  return project;
}

interface Loaded {
  readonly contender: Contender;
  readonly node: NodeProcess;
  readonly label: string;
  stored(): Promise<number>;
}

async function startKilde(
  sandbox: Sandbox,
  command: readonly string[],
  project: string,
  programs: readonly (readonly [label: string, program: string])[],
): Promise<Loaded[]> {
  const kilde = await startServer(sandbox, command);
  // In turn, so that each stream has as many events as the reads expect.
  await append(kilde, work.HISTORY, work.HISTORY_STREAMS);
  const contender = { name: "Kilde", version: "", settings: "kilde/client", pid: kilde.server.pid };
  const loaded: Loaded[] = [];
  for (const [label, program] of programs) {
    const node = await startNodeProcess(sandbox, program, "kilde-load.ts", project, [kilde.url]);
    const close = async () => {
      await node.server.stop();
      await kilde.server.stop();
    };
    loaded.push({ contender: { ...contender, close }, node, label, stored: () => headOf(kilde) });
  }
  return loaded;
}

async function startAll(sandbox: Sandbox, { command, peers, print }: BenchmarkOptions): Promise<Loaded[]> {
  const programs: [string, string][] = [];
  const emmetts: Loaded[] = [];
  for (const major of NODE_MAJORS) {
    const label = inNode(major);
    try {
      const program = nodeProgram(major);
      programs.push([label, program]);
      if (!peers) continue;
      const emmett = await startEmmett(sandbox, { program, label });
      emmetts.push({ ...emmett, label });
      await emmett.fill();
    } catch (error) {
      if (!(error instanceof NotInstalled)) throw error;
      print(`${label}: not compared, ${error.message}`);
    }
  }
  return [...(await startKilde(sandbox, command, installLibrary(sandbox), programs)), ...emmetts];
}

function entriesOf(loaded: readonly Loaded[], operation: string, inFlight: number): Entry[] {
  return loaded.map(({ contender, node, label, stored }) => {
    const task: Task = {
      way: label,
      run: node.run(operation, inFlight),
      clientPid: node.server.pid,
      ...(operation === "append" ? { stored } : {}),
    };
    return { contender, task };
  });
}

/** Appends with 64 and 1 in flight, and streams of 10 events read. */
export async function measureNodeClient(
  sandbox: Sandbox,
  options: BenchmarkOptions,
): Promise<readonly WorkResult[]> {
  const loaded = await startAll(sandbox, options);
  if (loaded.length === 0) return [];
  const { rounds, roundMs } = options;
  const measured = (operation: string, inFlight: number) =>
    measure(entriesOf(loaded, operation, inFlight), { rounds, roundMs });
  // Reads first: appends would add to the streams that are read.
  const reads = await measured("readStream", 64);
  const many = await measured("append", 64);
  const one = await measured("append", 1);
  for (const { contender } of loaded) await contender.close();
  return [
    resultOf("node-client-64", "In Node: appends of one event, 64 in flight", "events/s", many),
    resultOf("node-client-1", "In Node: appends of one event, 1 in flight", "events/s", one),
    resultOf("node-client-streams", "In Node: streams of 10 events read, 64 in flight", "events/s", reads),
  ];
}
