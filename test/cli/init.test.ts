import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";

import { eventually } from "../support/eventually.ts";
import { cleanUp, emptyFolder, FROM_SOURCE, launch, run, serve } from "./support.ts";

cleanUp();

const ROOT = join(import.meta.dir, "../..");

/** A new service, with the sources of this project in place of the packages from npm. */
async function newService(name: string): Promise<string> {
  const cwd = emptyFolder();
  const { exitCode, stdout, stderr } = await run(["init", "--name", name], { cwd });
  expect([exitCode, stdout]).toEqual([0, `wrote ${name}: a feed, a consumer, and their test\n`]);
  expect(stderr).toContain(`cd ${name} && npm install && npm test`);
  const service = join(cwd, name);
  symlinkSync(join(ROOT, "node_modules"), join(service, "node_modules"));
  await Bun.write(join(service, "tsconfig.json"), JSON.stringify({ extends: join(ROOT, "tsconfig.json") }));
  return service;
}

describe("kilde init", () => {
  test("refuses a name that is invalid, a folder that is not empty, and a missing name without a terminal", async () => {
    const cwd = emptyFolder();
    for (const name of ["", "Orders", "9lives", "a/b", "..", "a--b", "a-", "a".repeat(51)]) {
      const refused = await run(["init", "--name", name], { cwd });
      expect([name, refused.exitCode]).toEqual([name, 2]);
      expect(refused.stderr).toContain("is not a name of a service");
    }
    mkdirSync(join(cwd, "orders/src"), { recursive: true });
    const occupied = await run(["init", "--name", "orders"], { cwd });
    expect([occupied.exitCode, occupied.stderr]).toEqual([1, expect.stringContaining("orders is not empty")]);
    expect(existsSync(join(cwd, "orders/package.json"))).toBe(false);
    const unnamed = await run(["init"], { cwd });
    expect([unnamed.exitCode, unnamed.stderr]).toEqual([2, expect.stringContaining("--name <name>")]);
  });

  test("refuses the name of a file, and of a link that leads nowhere", async () => {
    const cwd = emptyFolder();
    await Bun.write(join(cwd, "orders"), "mine");
    symlinkSync(join(cwd, "missing"), join(cwd, "cards"));
    for (const name of ["orders", "cards"]) {
      const refused = await run(["init", "--name", name], { cwd });
      expect([refused.exitCode, refused.stderr]).toEqual([
        1,
        expect.stringContaining(`kilde: ${name} exists, and is not a folder`),
      ]);
    }
    expect(await Bun.file(join(cwd, "orders")).text()).toBe("mine");
    expect(existsSync(join(cwd, "missing"))).toBe(false);
  });

  test.skipIf(Bun.which("script") === null)("asks for the name at a terminal", async () => {
    const cwd = emptyFolder();
    const command = [...FROM_SOURCE, "init"].map((part) => `'${part}'`).join(" ");
    const child = launch(["-qec", command, "/dev/null"], {
      cwd,
      program: ["script"],
      stdin: "card-payments\n",
    });
    expect(await new Response(child.stdout).text()).toContain("Name of the service: ");
    expect(await child.exited).toBe(0);
    expect(await Bun.file(join(cwd, "card-payments/package.json")).json()).toMatchObject({
      name: "card-payments",
    });
  });

  test("writes a test that passes", async () => {
    const cwd = await newService("card-payments");
    const tested = await run(["test"], { cwd, program: [process.execPath] });
    expect([tested.exitCode, tested.stderr]).toEqual([0, expect.stringContaining("2 pass")]);
  });

  test("writes a configuration that a server serves, and a service that works with it", async () => {
    const cwd = await newService("orders");
    const server = await serve(cwd);
    const environment = { KILDE_URL: server.url, PORT: "0" };
    const child = launch(["src/service.js"], { cwd, environment, program: [process.execPath] });
    let stdout = "";
    (async () => {
      for await (const bytes of child.stdout) stdout += new TextDecoder().decode(bytes);
    })().catch(() => {});
    const url = await eventually(() => /http:\S+/.exec(stdout)?.[0]);
    expect((await fetch(url ?? "", { method: "POST", body: "A title" })).status).toBe(201);
    await eventually(async () => (await (await fetch(url ?? "")).text()) === '["A title"]\n');
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
  });
});
