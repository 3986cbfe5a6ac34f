import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";

import { createClient } from "../../../src/client/index.ts";
import { eventually } from "../../support/eventually.ts";
import { type ServerProcess, startServer } from "../../support/process.ts";
import type { HostileKind } from "./hostile-client.ts";

/*
 * A thousand hostile connections of each kind: the server's memory and the time that appends take stay within bounds, and
 * everything that was taken is given back, also while the connections stay open.
 */

const CONNECTIONS = Number(process.env["HOSTILE_CONNECTIONS"] ?? 1_000);
const MOST_MEMORY_KB = 512 * 1024;
/** The attack keeps one core busy, and the server another. Whatever else runs on the machine takes its share of both. */
const MOST_P99_MS = 250 * Math.max(1, loadavg()[0] ?? 1);

const CLIENT = join(import.meta.dir, "hostile-client.ts");

let folder: string;
let server: ServerProcess;
const start = () =>
  startServer(`file:${join(folder, "kilde.db")}`, {
    KILDE_BEHIND_PROXY: "true",
    KILDE_OPEN: "true",
    KILDE_LIMIT_BODY_TIMEOUT_MS: "6000",
    KILDE_LIMIT_ANSWER_TIMEOUT_MS: "6000",
  });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "kilde-hostile-"));
  server = await start();
  const client = createClient({ url: server.url });
  // More than the kernel takes for all connections, in events of 1 MB and in many streams.
  const data = "x".repeat(1_000_000);
  for (let n = 0; n < 200; n += 1) await client.append("large", { type: "T", data });
  const appends = Array.from({ length: 10_000 }, (_, n) => ({
    stream: `${String(n).padStart(6, "0")}-${"s".repeat(200)}`,
    events: [{ type: "T" }],
  }));
  await client.transact(appends);
  await server.kill("SIGTERM");
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));
// The most memory that a process ever had is that of one kind.
beforeEach(async () => {
  server = await start();
});
afterEach(() => server.kill("SIGKILL"));

function mostMemoryKb(): number {
  const status = readFileSync(`/proc/${server.pid}/status`, "latin1");
  return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]);
}

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1]);
}

/** Appends one event after the other, by a few clients at once, and gives what each append took. */
function appendOn(): { end(): Promise<number[]> } {
  const times: number[] = [];
  let isOver = false;
  const append = async (client: number) => {
    for (let n = 0; !isOver; n += 1) {
      const started = performance.now();
      const answer = await fetch(`${server.url}/streams/client-${client}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ events: [{ type: "T", data: n }] }),
      });
      expect(answer.status).toBe(201);
      await answer.text();
      times.push(performance.now() - started);
      await Bun.sleep(5);
    }
  };
  const appending = Promise.all([0, 1, 2, 3].map(append));
  return {
    async end() {
      isOver = true;
      await appending;
      return times;
    },
  };
}

function percentile(times: readonly number[], share: number): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length * share)] ?? 0;
}

/** The answers that each kind may have; without one, the connection may only be closed. */
const KINDS: Readonly<Record<HostileKind, readonly string[]>> = {
  metadata: ["422", "503", "408"],
  faults: ["422", "503", "408"],
  numbers: ["422", "503", "408"],
  objects: ["201", "503", "408"],
  nested: ["422", "503", "408"],
  lines: ["422", "503", "408"],
  chunks: ["408", "503"],
  half: ["408", "503"],
  started: ["408", "503"],
  headers: [],
  pages: [],
  lists: [],
  followers: [],
  waiting: [],
  head: ["200"],
  host: ["400"],
  consumers: ["200"],
};

for (const [kind, allowed] of Object.entries(KINDS)) {
  test(`${CONNECTIONS} hostile connections: ${kind}`, async () => {
    const appending = appendOn();
    await Bun.sleep(500);
    const port = new URL(server.url).port;
    const attack = Bun.spawn([process.execPath, CLIENT, kind, port, String(CONNECTIONS)], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
    });
    await using _ended = {
      async [Symbol.asyncDispose]() {
        attack.kill();
        await attack.exited;
      },
    };
    const line = await attack.stdout.getReader().read();
    const answers = JSON.parse(new TextDecoder().decode(line.value)) as Record<string, number>;
    await Bun.sleep(1_000);
    const times = await appending.end();
    const figures = {
      kind,
      memoryMb: Math.round(mostMemoryKb() / 1024),
      appends: times.length,
      p50: Math.round(percentile(times, 0.5)),
      p99: Math.round(percentile(times, 0.99)),
      most: Math.round(Math.max(...times)),
      answers: JSON.stringify(answers),
    };
    console.table([figures]);
    for (const answer of Object.keys(answers)) expect(["closed", ...allowed]).toContain(answer);
    expect(mostMemoryKb()).toBeLessThan(MOST_MEMORY_KB);
    expect(figures.p99).toBeLessThan(MOST_P99_MS);
    // Those who wait for events that do not come are followers like any other; all else ends while they are connected.
    // Sockets that do not read take some megabytes each before they are full.
    const patience = { withinMs: 90_000, pollMs: 100 };
    await eventually(async () => {
      const held = [await metric("kilde_body_bytes"), await metric("kilde_answer_bytes")];
      const followers = kind === "waiting" ? 0 : await metric("kilde_followers");
      return held.every((bytes) => bytes === 0) && followers === 0;
    }, patience);
    await attack.stdin.end();
    await attack.exited;
    await eventually(async () => (await metric("kilde_followers")) === 0, { pollMs: 100 });
  }, 180_000);
}
