import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

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
  symlinkSync(join(ROOT, "node_modules/drizzle-orm"), join(project, "node_modules/drizzle-orm"));
  await Bun.write(join(project, "package.json"), '{"type":"module"}');
}, 120_000);

afterAll(() => rmSync(project, { recursive: true, force: true }));

const PROGRAM = `
  import { createClient, KildeError } from "kilde/client";
  import { defineConfig, defineFeed } from "kilde";
  import { given } from "kilde/testing";
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
  console.log(JSON.stringify(said));
`;
/** With the packages that its stores are for. */
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
const SAID = [2, "1.0", "version-conflict", 2, "Y", 1, "AssertionError"];

describe("the library, as npm installs it", () => {
  let server: Served;
  const runs = async (program: string[], expected: unknown = SAID) => {
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

      await Bun.write(
        join(project, "consumer.ts"),
        `declare const process: { argv: string[] };${CONSUMER}consumer.stop().then(() => {});`,
      );
      const resolving = ["--module", module, "--moduleResolution", resolution, "--lib", "ESNext,DOM"];
      const checked = await run(
        // Drizzle's own declarations do not hold by themselves.
        [...options, ...resolving, "--skipLibCheck", "consumer.ts"],
        { cwd: project, program: [join(ROOT, "node_modules/.bin/tsc")] },
      );
      expect(checked.stdout).toBe("");
    });
  }
});
