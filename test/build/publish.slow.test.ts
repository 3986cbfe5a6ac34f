import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { cleanUp, emptyFolder, run } from "../cli/support.ts";
import { startRegistry, type Registry } from "./registry.ts";

cleanUp();

const ROOT = join(import.meta.dir, "../..");
const NAMES = ["@kilde/server", "@kilde/server-linux-x64", "kilde"];

/** Packs packages with a content, as a release contains them. */
async function packed(folder: string, content: string): Promise<void> {
  const packing = NAMES.map(async (name) => {
    const cwd = emptyFolder();
    await Bun.write(join(cwd, "package.json"), JSON.stringify({ name, version: "1.2.3" }));
    await Bun.write(join(cwd, "index.js"), content);
    const program = ["npm", "pack", "--pack-destination", folder];
    expect((await run([], { cwd, program })).exitCode).toBe(0);
  });
  await Promise.all(packing);
}

describe.skipIf(Bun.which("npm") === null)("publishing a release", () => {
  const archives = mkdtempSync(join(tmpdir(), "kilde-release-"));
  const [made, other] = [join(archives, "made"), join(archives, "other")];
  let registry: Registry;

  beforeAll(async () => {
    for (const folder of [made, other]) mkdirSync(folder);
    await Promise.all([packed(made, "export default 1;"), packed(other, "export default 2;")]);
  });
  afterAll(() => rmSync(archives, { recursive: true, force: true }));
  beforeEach(() => {
    registry = startRegistry();
  });
  afterEach(() => registry.stop());

  async function publish(from: string, ...more: string[]) {
    const home = emptyFolder();
    const { host, href } = new URL(registry.url);
    await Bun.write(
      join(home, ".npmrc"),
      `registry=${href}\n//${host}/:_authToken=secret\nfetch-retries=0\n`,
    );
    const program = [process.execPath, "src/build/release/publish.ts", "--from", from, ...more];
    return run([], { cwd: ROOT, program, environment: { HOME: home } });
  }

  test("publishes all packages, and kilde after those that it needs", async () => {
    const { exitCode, stdout } = await publish(made, "--no-provenance");
    expect(exitCode).toBe(0);
    // Without that of the platform, `kilde` would be a command that finds no binary.
    expect(registry.published.toSorted()).toEqual(NAMES);
    expect(registry.published.at(-1)).toBe("kilde");
    for (const name of NAMES) expect(stdout).toContain(`published ${name}@1.2.3\n`);
  });

  test("continues where an attempt failed, and publishes nothing twice", async () => {
    registry.refuse("kilde");
    const failed = await publish(made, "--no-provenance");
    expect(failed.exitCode).toBe(1);
    expect(failed.stderr).toContain("npm publish");
    const before = [...registry.published];
    expect(before).toHaveLength(NAMES.length - 1);
    registry.refuse(null);
    const repeated = await publish(made, "--no-provenance");
    expect(repeated.exitCode).toBe(0);
    expect(registry.published).toEqual([...before, "kilde"]);
    expect(repeated.stdout.split("\n")).toEqual([
      ...before.map((name) => `skipped ${name}@1.2.3: npm has it`),
      "published kilde@1.2.3",
      "",
    ]);
  });

  test("publishes nothing where the registry has other content under a version, and names both", async () => {
    registry.refuse("kilde");
    await publish(other, "--no-provenance");
    registry.refuse(null);
    const before = [...registry.published];
    const { exitCode, stdout, stderr } = await publish(made, "--no-provenance");
    expect([exitCode, stdout]).toEqual([1, ""]);
    for (const name of before) {
      const conflict = new RegExp(`${name}@1\\.2\\.3: npm has (sha512-\\S+), the archive is (sha512-\\S+)`);
      const [, theirs, ours] = conflict.exec(stderr) ?? [];
      expect(theirs).toBe(registry.integrityOf(name));
      expect(ours).not.toBe(theirs);
    }
    expect(registry.published).toEqual(before);
  });

  test("fails where the registry does not answer, and publishes nothing", async () => {
    registry.refuseReads();
    const { exitCode, stderr } = await publish(made, "--no-provenance");
    expect(exitCode).toBe(1);
    expect(stderr).toContain("npm view");
    expect(registry.published).toEqual([]);
  });

  test("a dry run prints the commands, with provenance, and asks the registry nothing", async () => {
    const { exitCode, stdout } = await publish(made, "--dry-run");
    expect(exitCode).toBe(0);
    for (const name of readdirSync(made)) {
      expect(stdout).toContain(`would run: npm publish --access public --provenance ${join(made, name)}\n`);
    }
    expect(registry.requests).toBe(0);
  });

  test("names the command that makes the packages, where there are none", async () => {
    const { exitCode, stderr } = await publish(emptyFolder());
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining("npm run release")]);
  });
});
