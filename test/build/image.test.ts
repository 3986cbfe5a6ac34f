import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { version } from "../../package.json" with { type: "json" };
import { cleanUp, run, serve } from "../cli/support.ts";

cleanUp();

const ROOT = join(import.meta.dir, "../..");
const isPossible = process.platform === "linux" && process.getuid?.() === 0 && Bun.which("buildah") !== null;

describe.skipIf(!isPossible)("the image of a release", () => {
  const folder = mkdtempSync(join(tmpdir(), "kilde-image-"));
  /** Needs no privileges beyond those of root in a container. */
  const environment = { CONTAINERS_STORAGE_CONF: join(folder, "storage.conf"), BUILDAH_ISOLATION: "chroot" };
  const buildah = (...args: string[]) => run([], { cwd: folder, program: ["buildah", ...args], environment });
  let container: string;

  beforeAll(async () => {
    const [addon = ""] = new Bun.Glob("node_modules/@libsql/linux-*-gnu/index.node").scanSync(ROOT);
    const build = [process.execPath, "src/build/build.ts", "--binary", "--outdir", folder];
    expect((await run([], { cwd: ROOT, program: build })).exitCode).toBe(0);
    await Bun.write(
      join(folder, "storage.conf"),
      `[storage]\ndriver = "vfs"\ngraphroot = "${folder}/storage"\nrunroot = "${folder}/run"\n`,
    );
    const image = ["bash", "src/build/release/image.sh", join(folder, "kilde"), addon, "kilde:test"];
    const made = await run([], { cwd: ROOT, program: image, environment });
    expect(made).toEqual({ exitCode: 0, stdout: "kilde:test\n", stderr: "" });
    container = (await buildah("from", "--pull-never", "localhost/kilde:test")).stdout.trim();
  }, 120_000);

  afterAll(async () => {
    await buildah("rm", container);
    rmSync(folder, { recursive: true, force: true });
  });

  test("contains the binary and its libraries, and starts as a user without privileges", async () => {
    expect((await buildah("run", container, "--", "/kilde", "--version")).stdout).toBe(`${version}\n`);
    const root = (await buildah("mount", container)).stdout.trim();
    expect(readdirSync(join(root, "etc"))).toContain("passwd");
    expect(readdirSync(root)).not.toContain("bin");
    const { stdout } = await buildah("inspect", "--format", "{{.OCIv1.Config.User}}", container);
    expect(stdout.trim()).toBe("65532:65532");
  });

  test("serves from its volume", async () => {
    const program = ["buildah", "run", container, "--", "/kilde"];
    const server = await serve(folder, ["--open"], { program, environment });
    expect((await fetch(`${server.url}/ready`)).status).toBe(200);
  });
});
