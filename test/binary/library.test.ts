import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { bundleWorker } from "../support/worker.ts";
import { cleanUp, run, serve, type Served } from "../cli/support.ts";

cleanUp();

const ROOT = join(import.meta.dir, "../..");

/** A program that has Kilde installed from npm. */
const project = mkdtempSync(join(tmpdir(), "kilde-library-"));
const installed = join(project, "node_modules/kilde");

beforeAll(async () => {
  mkdirSync(installed, { recursive: true });
  const child = Bun.spawn([process.execPath, "build.ts", "--library", "--outdir", join(installed, "dist")], {
    cwd: ROOT,
    stdout: "ignore",
    stderr: "inherit",
  });
  expect(await child.exited).toBe(0);
  await Bun.write(join(installed, "package.json"), Bun.file(join(ROOT, "package.json")));
  symlinkSync(join(ROOT, "node_modules/zod"), join(project, "node_modules/zod"));
  await Bun.write(join(project, "package.json"), '{"type":"module"}');
}, 120_000);

afterAll(() => rmSync(project, { recursive: true, force: true }));

const PROGRAM = `
  import { createClient, KildeError } from "kilde/client";
  import { defineConfig, defineFeed } from "kilde";
  import { given } from "kilde/testing";
  import { receive, WebhookError } from "kilde/webhook";
  import { createWorker } from "kilde/worker";
  import { z } from "zod";

  const client = createClient({ url: process.argv[2] ?? "" });
  const said: unknown[] = [];
  said.push((await client.append("a", [{ type: "X", data: { n: 1 } }, { type: "Y" }])).version);
  for await (const event of client.read<{ n: number }>({ types: ["X"] })) said.push(event.data.n.toFixed(1));
  try {
    await client.append("a", { type: "Z" }, { expectedVersion: 9 });
  } catch (error) {
    if (error instanceof KildeError) said.push(error.code, error.members.currentVersion);
  }
  const enough = new AbortController();
  for await (const event of client.follow({ lastEventId: 1, signal: enough.signal })) {
    said.push(event.type);
    enough.abort();
  }
  said.push(defineConfig({ port: 1 }).port);
  const feed = defineFeed({
    name: "names",
    version: 1,
    events: { X: z.object({ n: z.number() }) },
    contract: { Named: z.string() },
    publish: { X: ({ data }) => ({ type: "Named", data: data.n.toFixed(2) }) },
  });
  given(feed, [{ type: "X", data: { n: 1 } }]).thenPublishes([{ type: "Named", data: "1.00" }]);
  try {
    given(feed, []).thenPublishes([{ type: "Named", data: "" }]);
  } catch (error) {
    said.push(error instanceof Error ? error.name : "");
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
  // The vectors of Standard Webhooks, whose body is no delivery, and one that does not verify.
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
      if (error instanceof WebhookError) said.push(error.code);
    }
  }
  const worker = createWorker({ feeds: [feed] }, { env: {} });
  said.push(typeof worker.fetch, typeof worker.scheduled);
  console.log(JSON.stringify(said));
`;
const VERIFIED = ["body-invalid", "body-invalid", "signature-invalid"];
const SAID = [2, "1.0", "version-conflict", 2, "Y", 1, "AssertionError", ...VERIFIED, "function", "function"];

describe("the library, as npm installs it", () => {
  let server: Served;
  const runs = async (program: string[]) => {
    server = await serve(project, ["--database-url", ":memory:"]);
    const { stdout, stderr } = await run([server.url], { cwd: project, program });
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toEqual(SAID);
  };

  test.skipIf(Bun.which("node") === null)("runs in Node", async () => {
    const script = new Bun.Transpiler({ loader: "ts" }).transformSync(PROGRAM);
    await Bun.write(join(project, "program.mjs"), script);
    await runs(["node", "program.mjs"]);
  });

  test("runs in Bun", async () => {
    await Bun.write(join(project, "program.ts"), PROGRAM);
    await runs([process.execPath, "program.ts"]);
  });

  test("is bundled into a worker, with nothing left to be found elsewhere", async () => {
    const entry = join(project, "worker.ts");
    await Bun.write(
      entry,
      'import { createWorker, defineConfig } from "kilde/worker"; export default createWorker(defineConfig({}));',
    );
    const bundle = await bundleWorker(entry);
    expect(new Bun.Transpiler({ loader: "js" }).scanImports(bundle)).toEqual([]);
  });

  for (const [module, resolution] of [
    ["ESNext", "bundler"],
    ["NodeNext", "NodeNext"],
  ] as const) {
    test(`has types for ${resolution} resolution`, async () => {
      const wrong = `\n// @ts-expect-error: there is no such setting\ndefineConfig({ prot: 1 });\n`;
      await Bun.write(
        join(project, "program.ts"),
        `declare const process: { argv: string[] };${PROGRAM}${wrong}`,
      );
      const options = ["--ignoreConfig", "--noEmit", "--strict", "--target", "ESNext", "--types", ""];
      const { exitCode, stdout } = await run(
        [
          ...options,
          "--module",
          module,
          "--moduleResolution",
          resolution,
          "--lib",
          "ESNext,DOM",
          "program.ts",
        ],
        { cwd: project, program: [join(ROOT, "node_modules/.bin/tsc")] },
      );
      expect(stdout).toBe("");
      expect(exitCode).toBe(0);
    });
  }
});
