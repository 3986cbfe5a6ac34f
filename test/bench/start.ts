import { join } from "node:path";

import { residentMb } from "./cpu.ts";
import { medianRow } from "./measure.ts";
import { NOT_TAKEN, type Round, type Row } from "./results.ts";
import { freePort, type Sandbox } from "./sandbox.ts";

/** Time that a server has to give back what it needed to start. */
const IDLE_MS = 2_000;

interface Program {
  readonly name: string;
  readonly command: readonly string[];
}

async function startOnce(sandbox: Sandbox, { command }: Program, file: string) {
  const port = freePort();
  const started = performance.now();
  const server = await sandbox.start({
    name: "kilde-start",
    command: [...command, "serve", "--database-url", `file:${file}`, "--port", String(port)],
    pollMs: 1,
    ready: async () => {
      const response = await fetch(`http://127.0.0.1:${port}/health`);
      if (response.status !== 200) throw new Error(String(response.status));
    },
  });
  return { server, ms: performance.now() - started };
}

/** Time from starting the process to its first 200, and what it holds in memory when nobody asks for anything. */
export async function measureStart(
  sandbox: Sandbox,
  programs: readonly Program[],
  rounds: number,
): Promise<{ time: Row[]; memory: Row[] }> {
  const time: Row[] = [];
  const memory: Row[] = [];
  for (const program of programs) {
    const fresh: Round[] = [];
    const again: Round[] = [];
    const idle: Round[] = [];
    for (let turn = 0; turn < rounds; turn += 1) {
      const file = join(sandbox.folder("start"), "kilde.db");
      const first = await startOnce(sandbox, program, file);
      await first.server.stop();
      const second = await startOnce(sandbox, program, file);
      fresh.push({ ...NOT_TAKEN, value: first.ms });
      again.push({ ...NOT_TAKEN, value: second.ms });
      await Bun.sleep(IDLE_MS);
      idle.push({ ...NOT_TAKEN, value: residentMb(second.server.pid) ?? Number.NaN });
      await second.server.stop();
    }
    const settings = program.command.join(" ");
    time.push(medianRow({ contender: program.name, way: "new database", settings }, fresh, fresh));
    time.push(medianRow({ contender: program.name, way: "existing database", settings }, again, fresh));
    memory.push(medianRow({ contender: program.name, way: "idle", settings }, idle, idle));
  }
  return { time, memory };
}
