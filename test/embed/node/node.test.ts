import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";

import { NODES } from "../../support/nodes.ts";
import { runsOn } from "../../support/tested-on.ts";

runsOn(["memory"]);

/** Below `node_modules`, where Node finds the driver of the database. */
const CACHE = join(import.meta.dir, "../../../node_modules/.cache/kilde");
let folder: string;

beforeAll(async () => {
  mkdirSync(CACHE, { recursive: true });
  folder = mkdtempSync(join(CACHE, "embed-"));
  await Bun.build({
    entrypoints: [join(import.meta.dir, "run-followers.ts")],
    outdir: folder,
    naming: "run.mjs",
    target: "node",
    format: "esm",
    external: ["libsql", "@libsql/*"],
  });
}, 60_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each(NODES)("an embedded store in %s", (program) => {
  test("has followers that receive events, and end", async () => {
    const child = Bun.spawn([program, "--expose-gc", join(folder, "run.mjs")], {
      stdout: "pipe",
      stderr: "pipe",
      timeout: 60_000,
    });
    const [stdout = "", stderr] = await Promise.all(
      [child.stdout, child.stderr].map((output) => new Response(output).text()),
    );
    expect([stderr, JSON.parse(stdout || "null")]).toEqual([
      "",
      { titles: expect.arrayContaining([expect.any(String)]), failures: {} },
    ]);
  }, 60_000);
});
