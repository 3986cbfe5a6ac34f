import { expect, test } from "bun:test";
import { join } from "node:path";

import { createClient } from "../../src/client/index.ts";
import { cleanUp, emptyFolder } from "../cli/support.ts";
import { startServer } from "../support/process.ts";

cleanUp();

const EVENTS = 500_000;
const EVERY = 1_000;
const AT_ONCE = 10_000;

/** A process that handles one command, and prints the number of events that it read. */
const PROGRAM = `
import { createClient } from "${join(import.meta.dir, "../../src/client/index.ts")}";
import { createCommandHandler, streamSnapshots } from "kilde/decider";
import { createKilde } from "kilde/embed";
const where = process.argv[2] ?? "";
const kilde = where.startsWith("http") ? createClient({ url: where }) : await createKilde({ databaseUrl: where });
let read = 0;
const store = {
  ...kilde,
  async *readPages(options) {
    for await (const page of kilde.readPages(options)) {
      read += page.length;
      yield page;
    }
  },
};
const sum = {
  initial: 0,
  decide: (n) => ({ type: "Added", data: { n } }),
  evolve: (total, { data }) => total + data.n,
  snapshot: { name: "sum", schemaVersion: 1, every: ${EVERY} },
};
const { handle, settle } = createCommandHandler({ store, snapshots: streamSnapshots(kilde) });
const before = performance.now();
const { version, state } = await handle("long", sum, 1);
const ms = performance.now() - before;
await settle();
if ("close" in kilde) await kilde.close();
console.log(JSON.stringify({ read, version, state, ms }));
`;

interface Report {
  readonly read: number;
  readonly version: number;
  readonly state: number;
  readonly ms: number;
}

async function handleOne(where: string): Promise<Report> {
  const program = join(import.meta.dir, "../..", "node_modules/.cache/long-stream.ts");
  await Bun.write(program, PROGRAM);
  const child = Bun.spawn([process.execPath, program, where], { stdout: "pipe", stderr: "inherit" });
  const [text, exitCode] = await Promise.all([new Response(child.stdout).text(), child.exited]);
  expect(exitCode).toBe(0);
  return JSON.parse(text) as Report;
}

test("a stream of 500,000 events is loaded from its snapshot and the later events, in a new process", async () => {
  const databaseUrl = `file:${join(emptyFolder(), "kilde.db")}`;
  const server = await startServer(databaseUrl);
  const client = createClient({ url: server.url });
  const events = Array.from({ length: AT_ONCE }, () => ({ type: "Added", data: { n: 1 } }));
  for (let version = 0; version < EVENTS; version += AT_ONCE) {
    await client.append("long", events, { expectedVersion: version });
  }
  // Nobody took a snapshot yet.
  const first = await handleOne(server.url);
  expect(first).toMatchObject({ read: EVENTS, version: EVENTS + 1, state: EVENTS + 1 });

  const overHttp = await handleOne(server.url);
  expect(overHttp).toMatchObject({ version: EVENTS + 2, state: EVENTS + 2 });
  expect(overHttp.read).toBeLessThanOrEqual(1);
  await client.append("long", events.slice(0, EVERY - 10));
  const behind = await handleOne(server.url);
  expect(behind.read).toBeLessThanOrEqual(EVERY);
  await server.kill("SIGTERM");

  const inProcess = await handleOne(databaseUrl);
  const version = EVENTS + 2 + EVERY - 10 + 2;
  expect(inProcess).toMatchObject({ version, state: version });
  expect(inProcess.read).toBeLessThanOrEqual(EVERY);
  const shown = Object.entries({ first, overHttp, behind, inProcess }).map(
    ([name, { ms, read }]) => `${name}: ${ms.toFixed(1)} ms, ${read} events read`,
  );
  console.log(shown.join("\n"));
}, 300_000);
