import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { createClient } from "../../src/client/index.ts";
import { DENO } from "../support/deno.ts";
import { hasSqld, startSqld } from "../support/sqld.ts";
import { bundleWorker } from "../support/worker.ts";
import { cleanUp, run, serve, type Served } from "../cli/support.ts";

cleanUp();

const ROOT = join(import.meta.dir, "../..");

/** A program that has Kilde installed from npm. */
const project = mkdtempSync(join(tmpdir(), "kilde-library-"));
const installed = join(project, "node_modules/kilde");

beforeAll(async () => {
  mkdirSync(installed, { recursive: true });
  const child = Bun.spawn(
    [process.execPath, "src/build/build.ts", "--library", "--outdir", join(installed, "dist")],
    {
      cwd: ROOT,
      stdout: "ignore",
      stderr: "inherit",
    },
  );
  expect(await child.exited).toBe(0);
  await Bun.write(join(installed, "package.json"), Bun.file(join(ROOT, "package.json")));
  symlinkSync(join(ROOT, "node_modules/zod"), join(project, "node_modules/zod"));
  await Bun.write(join(project, "package.json"), '{"type":"module"}');
}, 120_000);

afterAll(() => rmSync(project, { recursive: true, force: true }));

const FEED = `const feed = defineFeed({
    name: "names",
    version: 1,
    events: { X: z.object({ n: z.number() }) },
    contract: { Named: z.string() },
    publish: { X: ({ data }) => ({ type: "Named", data: data.n.toFixed(2) }) },
  });`;

const PROGRAM = `
  import { createClient, KildeError } from "kilde/client";
  import { defineConfig, defineFeed } from "kilde";
  import { given } from "kilde/testing";
  import { receive, WebhookError } from "kilde/webhook";
  import { createWorker } from "kilde/worker";
  import { z } from "zod";

  const client = createClient({ url: process.argv[2] ?? "" });
  const printed: unknown[] = [];
  printed.push((await client.append("a", [{ type: "X", data: { n: 1 } }, { type: "Y" }])).version);
  for await (const event of client.read<{ n: number }>({ types: ["X"] })) printed.push(event.data.n.toFixed(1));
  try {
    await client.append("a", { type: "Z" }, { expectedVersion: 9 });
  } catch (error) {
    if (error instanceof KildeError) printed.push(error.code, error.members.currentVersion);
  }
  const enough = new AbortController();
  for await (const event of client.follow({ lastEventId: 1, signal: enough.signal })) {
    printed.push(event.type);
    enough.abort();
  }
  printed.push(defineConfig({ port: 1 }).port);
  ${FEED}
  given(feed, [{ type: "X", data: { n: 1 } }]).thenPublishes([{ type: "Named", data: "1.00" }]);
  try {
    given(feed, []).thenPublishes([{ type: "Named", data: "" }]);
  } catch (error) {
    printed.push(error instanceof Error ? error.name : "");
  }
  const webhook = (signature: string) =>
    new Request("http://localhost/", {
      method: "POST",
      body: '{"test": 2432232314}',
      headers: {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": signature,
        "content-type": "application/cloudevents+json",
      },
    });
  // The test vectors of Standard Webhooks, whose body is not a delivery, and one that does not verify.
  for (const [signature, secret] of [
    ["v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    [
      "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==",
      "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=",
    ],
    ["v1,AAAA", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
  ] as const) {
    try {
      await receive<string>(webhook(signature), secret, { now: () => 1_614_265_330_000 });
    } catch (error) {
      if (error instanceof WebhookError) printed.push(error.code);
    }
  }
  const worker = createWorker({ feeds: [feed] }, { env: {} });
  printed.push(typeof worker.fetch, typeof worker.scheduled);
  console.log(JSON.stringify(printed));
`;
const VERIFIED = ["body-invalid", "body-invalid", "signature-invalid"];
const PRINTED = [
  2,
  "1.0",
  "version-conflict",
  2,
  "Y",
  1,
  "AssertionError",
  ...VERIFIED,
  "function",
  "function",
];

const CONSUMER = `
  import { createClient } from "kilde/client";
  import { createConsumer, eventLog, memoryStore } from "kilde/consumer";

  const url = process.argv[2] ?? "";
  await createClient({ url }).append("a", [{ type: "X", data: { n: 1 } }, { type: "X", data: { n: 2 } }]);
  const store = memoryStore();
  const consumer = createConsumer({
    url,
    feed: eventLog<{ X: { n: number } }>(),
    name: "library",
    store,
    handle: (event, tx) => tx.set(event.subject, event.type === "X" ? event.data.n : null),
  });
  console.log(JSON.stringify([(await consumer.ensure("a"))?.version, store.values.get("a")]));
`;
const CONSUMED = [2, 2];

const RESOLUTIONS = [
  ["ESNext", "bundler"],
  ["NodeNext", "NodeNext"],
] as const;

/** Compiles a program that has only Kilde and zod installed. */
async function isTyped(program: string, [module, resolution]: (typeof RESOLUTIONS)[number]): Promise<void> {
  await Bun.write(join(project, "program.ts"), program);
  const options = ["--ignoreConfig", "--noEmit", "--strict", "--target", "ESNext", "--types", ""];
  const modules = ["--module", module, "--moduleResolution", resolution, "--lib", "ESNext,DOM"];
  const { exitCode, stdout } = await run([...options, ...modules, "program.ts"], {
    cwd: project,
    program: [join(ROOT, "node_modules/.bin/tsc")],
  });
  expect(stdout).toBe("");
  expect(exitCode).toBe(0);
}

/** A service that embeds its event store, decides commands, and serves both. */
const SERVICE = `
  import { rmSync } from "node:fs";
  import { createClient, KildeError } from "kilde/client";
  import { createCommandHandler, type Decider, streamSnapshots } from "kilde/decider";
  import { createKilde } from "kilde/embed";
  import { defineFeed } from "kilde";
  import { given } from "kilde/testing";
  import { z } from "zod";

  type Added = { type: "Added"; data: { n: number } };
  const sum: Decider<number, Added, number> = {
    initial: 0,
    decide(n, total) {
      if (total + n > 5) throw new RangeError("too much");
      return { type: "Added", data: { n } };
    },
    evolve: (total, { data }) => total + data.n,
    snapshot: { name: "sum", schemaVersion: 1, every: 2 },
  };
  given(sum, [{ type: "Added", data: { n: 4 } }]).when(2).thenFails(/too much/);
  const feed = defineFeed({
    name: "sums",
    version: 1,
    events: { Added: z.object({ n: z.number() }) },
    contract: { Grown: z.number() },
    publish: { Added: ({ data }) => ({ type: "Grown", data: data.n }) },
  });
  const databaseUrl = "file:data/embedded.db";
  rmSync("data", { recursive: true, force: true });
  const printed: unknown[] = [];
  for (const amounts of [[1, 1], [2, 2]]) {
    const kilde = await createKilde({ databaseUrl, feeds: [feed], basePath: "/kilde" });
    const { handle, settle } = createCommandHandler({ store: kilde, snapshots: streamSnapshots(kilde) });
    for (const n of amounts) {
      await handle("s", sum, n).then(
        ({ version, state }) => printed.push(version, state),
        (error: Error) => printed.push(error.name),
      );
    }
    await settle();
    const enough = new AbortController();
    for await (const event of kilde.follow({ feed: "sums/v1", signal: enough.signal })) {
      if (event.position === 2) enough.abort();
    }
    const client = createClient({
      url: "http://in.process/kilde",
      fetch: (url, init) => kilde.fetch(new Request(url, init)),
    });
    for (const store of [kilde, client]) {
      await store.append("s", { type: "X" }, { expectedVersion: 9 }).catch((error: unknown) => {
        if (error instanceof KildeError) printed.push(error.code);
      });
    }
    await kilde.close();
  }
  console.log(JSON.stringify(printed));
`;
const SERVICE_SAID = [
  [1, 1, 2, 2, "version-conflict", "version-conflict"],
  [3, 4, "RangeError", "version-conflict", "version-conflict"],
];

describe("the library, as npm installs it", () => {
  let server: Served;
  const runs = async (program: string[], expected: unknown = PRINTED) => {
    server = await serve(project, ["--database-url", ":memory:"]);
    const { stdout, stderr } = await run([server.url], { cwd: project, program });
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toEqual(expected);
  };

  test.skipIf(Bun.which("node") === null)("runs in Node", async () => {
    const script = new Bun.Transpiler({ loader: "ts" }).transformSync(PROGRAM);
    await Bun.write(join(project, "program.mjs"), script);
    await runs(["node", "program.mjs"]);
    await Bun.write(
      join(project, "consumer.mjs"),
      new Bun.Transpiler({ loader: "ts" }).transformSync(CONSUMER),
    );
    await runs(["node", "consumer.mjs"], CONSUMED);
  });

  test("runs in Bun", async () => {
    await Bun.write(join(project, "program.ts"), PROGRAM);
    await runs([process.execPath, "program.ts"]);
    await Bun.write(join(project, "consumer.ts"), CONSUMER);
    await runs([process.execPath, "consumer.ts"], CONSUMED);
  });

  test("has a client without imports, for browsers and workers", async () => {
    const client = await Bun.file(join(installed, "dist/client.js")).text();
    expect(new Bun.Transpiler({ loader: "js" }).scanImports(client)).toEqual([]);
    const bundle = await Bun.build({ entrypoints: [join(installed, "dist/client.js")], target: "browser" });
    expect(bundle.logs).toEqual([]);
  });

  test("is bundled into a worker, with nothing left to be found elsewhere", async () => {
    const entry = join(project, "worker.ts");
    await Bun.write(
      entry,
      'import { createWorker, defineConfig } from "kilde/worker"; export default createWorker(defineConfig({}));',
    );
    const bundle = await bundleWorker(entry);
    const imports = new Bun.Transpiler({ loader: "js" }).scanImports(bundle).map(({ path }) => path);
    expect(new Set(imports)).toEqual(new Set(["node:crypto"]));
  });

  for (const resolution of RESOLUTIONS) {
    test(`has types for ${resolution[1]} resolution`, () => {
      const wrong = `\n// @ts-expect-error: there is no such setting\ndefineConfig({ prot: 1 });\n`;
      return isTyped(`declare const process: { argv: string[] };${PROGRAM}${wrong}`, resolution);
    });

    test(`has types of consumers for ${resolution[1]} resolution`, () =>
      isTyped(
        `declare const process: { argv: string[] };${CONSUMER}consumer.stop().then(() => {});`,
        resolution,
      ));
  }
});

/** As in the README; the first line of output is the server's address. */
const DENO_WORKER = `
  import { createWorker, defineFeed } from "kilde/worker";
  import { z } from "zod";

  ${FEED}
  const worker = createWorker({ feeds: [feed] }, { env: Deno.env.toObject(), databaseCalls: null });
  Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: ({ port }) => console.log(port) }, worker.fetch);
  Deno.cron("kilde", "* * * * *", () => worker.scheduled());
`;

describe("a worker, in Deno on a libSQL server", () => {
  test.skipIf(DENO === null || !hasSqld)(
    "appends, follows, and builds a feed",
    async () => {
      const sqld = await startSqld();
      await Bun.write(join(project, "deno.ts"), DENO_WORKER);
      const flags = ["-A", "--unstable-cron", "--node-modules-dir=manual", "--no-lock"];
      const deno = Bun.spawn([DENO ?? "", "run", ...flags, "deno.ts"], {
        cwd: project,
        env: { ...process.env, KILDE_DATABASE_URL: sqld.url, KILDE_OPEN: "true" },
        stdout: "pipe",
        stderr: "ignore",
      });
      try {
        const { value: line } = await deno.stdout.getReader().read();
        const client = createClient({ url: `http://127.0.0.1:${Number(new TextDecoder().decode(line))}` });
        const first = await client.append("a", { type: "X", data: { n: 1 } });
        expect(first).toMatchObject({ version: 1, position: 1 });
        const enough = new AbortController();
        const published: unknown[] = [];
        for await (const event of client.follow<string>({ feed: "names/v1", signal: enough.signal })) {
          published.push([event.type, event.data]);
          if (published.length === 1) await client.append("b", { type: "X", data: { n: 2 } });
          else enough.abort();
        }
        expect(published).toEqual([
          ["Named", "1.00"],
          ["Named", "2.00"],
        ]);
      } finally {
        deno.kill("SIGKILL");
        await deno.exited;
        await sqld.stop();
      }
    },
    60_000,
  );
});

describe("the event store within a service, with what it depends on", () => {
  beforeAll(() => symlinkSync(join(ROOT, "node_modules"), join(installed, "node_modules")));

  const runs = async (program: string[]) => {
    const { stdout, stderr } = await run([], { cwd: project, program });
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toEqual(SERVICE_SAID.flat());
  };

  test.skipIf(Bun.which("node") === null)("runs in Node", async () => {
    const script = new Bun.Transpiler({ loader: "ts" }).transformSync(SERVICE);
    await Bun.write(join(project, "service.mjs"), script);
    await runs(["node", "service.mjs"]);
  });

  test("runs in Bun", async () => {
    await Bun.write(join(project, "service.ts"), SERVICE);
    await runs([process.execPath, "service.ts"]);
  });

  for (const resolution of RESOLUTIONS) {
    test(`has types for ${resolution[1]} resolution`, () => {
      const typed = SERVICE.replace(
        /import \{ rmSync \}.*/,
        "declare function rmSync(...all: unknown[]): void;",
      );
      const wrong = `
        // @ts-expect-error: a number is added
        createCommandHandler({ store: await createKilde() }).handle("s", sum, "text");
      `;
      return isTyped(typed + wrong, resolution);
    });
  }
});
