import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { startServer, type ServerProcess } from "../../support/process.ts";
import { writeCertificate } from "../../support/certificate.ts";
import { NODES } from "../../support/nodes.ts";
import { runsOn } from "../../support/tested-on.ts";
import { SCENARIOS } from "./scenarios.ts";

runsOn(["file"]);

const folder = mkdtempSync(join(tmpdir(), "kilde-transport-"));
let server: ServerProcess;

beforeAll(async () => {
  server = await startServer(":memory:");
  await writeCertificate(folder, "localhost");
  await Bun.build({
    entrypoints: [join(import.meta.dir, "run-scenarios.ts")],
    outdir: folder,
    naming: "run.mjs",
    target: "node",
    format: "esm",
  });
}, 60_000);

afterAll(async () => {
  await server.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

describe.each(NODES)("requests of the client in %s", (program) => {
  let failures: Record<string, string> = {};

  beforeAll(async () => {
    const files = ["server.pem", "server.key"].map((name) => Bun.file(join(folder, name)).text());
    const child = Bun.spawn([program, join(folder, "run.mjs"), server.url, ...(await Promise.all(files))], {
      stdout: "pipe",
      stderr: "pipe",
      timeout: 60_000,
    });
    const [stdout = "", stderr] = await Promise.all(
      [child.stdout, child.stderr].map((output) => new Response(output).text()),
    );
    expect(stderr).toBe("");
    failures = JSON.parse(stdout) as Record<string, string>;
  }, 60_000);

  for (const { title, isOwn } of SCENARIOS) {
    for (const transport of isOwn === true ? ["node:http"] : ["node:http", "fetch"]) {
      test(`${transport}: ${title}`, () => expect(failures[`${transport}: ${title}`] ?? "").toBe(""));
    }
  }
});
