import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { createClient } from "../../src/client/index.ts";
import { DENO } from "../support/deno.ts";
import { startServer, type ServerProcess } from "../support/process.ts";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.ts";

/**
 * The network goes silent: connections stay open, and nothing arrives. Every follower of a log, in each runtime, gets
 * new events within 20 seconds of the network's return, without a restart.
 */

const ROOT = join(import.meta.dir, "../..");
const MAIN = join(ROOT, "src/main.ts");
const HEAL_MS = 20_000;

const project = mkdtempSync(join(tmpdir(), "kilde-healing-"));
const installed = join(project, "node_modules/kilde");

/** Prints a line for each way in which it sees each event, or in which an append was done. */
const PROGRAM = `
import { createClient } from "kilde/client";
import { createConsumer, eventLog, memoryStore } from "kilde/consumer";

const [url, runtime] = process.argv.slice(2);
const print = (how, what) => console.log(runtime + " " + how + " " + what);
for (const transport of ["sse", "poll"]) {
  createConsumer({
    url, feed: eventLog(), name: runtime + "-" + transport, store: memoryStore(), transport, onError() {},
    handle: (event) => print("consumer-" + transport, event.type),
  }).start();
}
const client = createClient({ url });
const follow = async () => {
  for await (const event of client.follow()) print("follow", event.type);
};
const append = async () => {
  for (let number = 1; ; number += 1) {
    try {
      const { position } = await client.append("of-" + runtime, { type: "Own", data: number });
      print("append", position);
    } catch {}
    await new Promise((done) => setTimeout(done, 200));
  }
};
follow();
append();
`;

let server: ServerProcess;
let proxy: TcpProxy;
const children: Bun.Subprocess[] = [];
/** The last line of each kind of observer, and the time of its arrival. */
const seen = new Map<string, Map<string, number>>();

beforeAll(async () => {
  mkdirSync(installed, { recursive: true });
  const build = Bun.spawn(
    [process.execPath, "src/build/build.ts", "--library", "--outdir", join(installed, "dist")],
    {
      cwd: ROOT,
      stdout: "ignore",
      stderr: "inherit",
    },
  );
  expect(await build.exited).toBe(0);
  await Bun.write(join(installed, "package.json"), Bun.file(join(ROOT, "package.json")));
  for (const name of ["zod", "drizzle-orm"])
    symlinkSync(join(ROOT, "node_modules", name), join(project, "node_modules", name));
  await Bun.write(join(project, "package.json"), '{"type":"module"}');
  await Bun.write(join(project, "program.mjs"), PROGRAM);
  server = await startServer(":memory:");
  proxy = await startTcpProxy(server.url);
}, 120_000);

afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  await Promise.all(children.map((child) => child.exited));
  await proxy.stop();
  await server.kill("SIGKILL");
  rmSync(project, { recursive: true, force: true });
});

function note(line: string): void {
  const [runtime = "", how = "", what = ""] = line.split(" ");
  const name = `${runtime} ${how}`;
  const whats = seen.get(name) ?? new Map<string, number>();
  seen.set(name, whats);
  if (!whats.has(what)) whats.set(what, performance.now());
  if (how === "append") whats.set("latest", performance.now());
}

/** Starts a program, and takes note of its lines. */
function observe(command: string[], lineOf: (line: string) => string = (line) => line): void {
  const child = Bun.spawn(command, { cwd: project, stdout: "pipe", stderr: "ignore" });
  children.push(child);
  void (async () => {
    let rest = "";
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) note(lineOf(line));
    }
  })();
}

const RUNTIMES: Record<string, string[] | null> = {
  bun: [process.execPath],
  node: Bun.which("node") === null ? null : ["node"],
  deno: DENO === null ? null : [DENO, "run", "-A", "--node-modules-dir=manual", "--no-lock"],
};

test("everything heals within 20 seconds of the network's return", async () => {
  const hook = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const { type } = (await request.json()) as { type: string };
      note(`cli listen ${type}`);
      return new Response(null, { status: 204 });
    },
  });
  const expected: string[] = ["cli follow", "cli listen"];
  for (const [runtime, command] of Object.entries(RUNTIMES)) {
    if (command === null) {
      console.log(`healing: ${runtime} is not installed, and is left out`);
      continue;
    }
    observe([...command, "program.mjs", proxy.url, runtime]);
    for (const how of ["consumer-sse", "consumer-poll", "follow", "append"])
      expected.push(`${runtime} ${how}`);
  }
  const at = ["--url", proxy.url];
  const typeOf = (line: string) => `cli follow ${(JSON.parse(line) as { type: string }).type}`;
  observe([process.execPath, MAIN, "follow", "--last-event-id", "0", ...at], typeOf);
  observe(
    [process.execPath, MAIN, "listen", "--from", "0", "--forward", hook.url.href, ...at],
    () => "- - -",
  );

  const direct = createClient({ url: server.url });
  /** Appends an event, and waits until every observer has printed it. Returns the times since `sinceMs`. */
  const seenByAll = async (type: string, sinceMs: number) => {
    await direct.append("marks", { type });
    const healed = new Map<string, number>();
    while (healed.size < expected.length && performance.now() - sinceMs < 2 * HEAL_MS + 20_000) {
      for (const name of expected) {
        const atMs = seen.get(name)?.get(name.endsWith(" append") ? "latest" : type);
        if (atMs !== undefined && atMs > sinceMs && !healed.has(name)) healed.set(name, atMs - sinceMs);
      }
      await Bun.sleep(20);
    }
    return healed;
  };

  expect([...(await seenByAll("Before", performance.now())).keys()].toSorted()).toEqual(expected.toSorted());
  for (const [number, outageMs] of [1_000, 8_000, 30_000].entries()) {
    proxy.set({ kind: "silent" });
    await direct.append("marks", { type: `During${number}` });
    await Bun.sleep(outageMs);
    proxy.set({ kind: "fine" });
    const healed = await seenByAll(`After${number}`, performance.now());
    const times = [...healed].map(([name, ms]) => `${name} ${(ms / 1_000).toFixed(1)} s`);
    console.log(`healing after ${outageMs / 1_000} s of silence: ${times.join(", ")}`);
    expect([...healed.keys()].toSorted()).toEqual(expected.toSorted());
    // A busy machine may be late by seconds; a connection that waits for a minute is far beyond.
    expect(Math.max(...healed.values())).toBeLessThan(HEAL_MS + 5_000);
    for (const name of expected.filter((each) => !each.endsWith(" append")))
      expect([name, seen.get(name)?.has(`During${number}`)]).toEqual([name, true]);
  }
  await hook.stop(true);
}, 300_000);
