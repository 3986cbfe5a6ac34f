import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { version } from "../../package.json" with { type: "json" };
import { binaryName, platformPackage } from "../../src/launcher/platforms.ts";
import { thisPlatform } from "../../src/launcher/this-platform.ts";
import { cleanUp, emptyFolder, launch, run } from "../cli/support.ts";
import { eventually } from "../support/eventually.ts";

cleanUp();

const ROOT = join(import.meta.dir, "../..");
const platform = thisPlatform();
const node = Bun.which("node");
const npm = Bun.which("npm");

/** The launcher as the package `kilde` contains it. */
const built = mkdtempSync(join(tmpdir(), "kilde-launcher-"));

beforeAll(async () => {
  await Bun.build({
    entrypoints: [join(ROOT, "src/launcher/launcher.ts")],
    outdir: built,
    naming: "kilde.[ext]",
    target: "node",
    format: "esm",
  });
});

afterAll(() => rmSync(built, { recursive: true, force: true }));

/** A program in place of the server: it prints what it was started with, and ends as its first argument states. */
const SERVER = `
const [verb, ...args] = process.argv.slice(2);
if (verb === "print") console.log(JSON.stringify({ args, input: require("node:fs").readFileSync(0, "utf8") }));
if (verb === "exit") process.exitCode = Number(args[0]);
if (verb === "crash") process.kill(process.pid, args[0]);
if (verb === "wait") {
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) {
    process.on(signal, () => {
      console.log(signal);
      if (signal !== "SIGHUP") process.exit(7);
    });
  }
  console.log("waits");
  setInterval(() => {}, 1_000);
}
`;

describe.skipIf(platform === undefined || node === null || npm === null)("the launcher", () => {
  const id = platform?.id ?? "linux-x64";
  let project: string;
  let home: string;
  /** The only folder of programs that the launcher knows. */
  let programs: string;

  beforeEach(() => {
    [project, home] = [emptyFolder(), emptyFolder()];
    programs = join(home, "programs");
    mkdirSync(programs);
    for (const [name, file] of [
      ["node", node],
      ["npm", npm],
      ["sh", Bun.which("sh")],
    ] as const) {
      symlinkSync(file ?? "", join(programs, name));
    }
    cpSync(join(built, "kilde.js"), join(project, "node_modules/kilde/bin/kilde.js"));
  });

  async function writeBinary(folder: string): Promise<void> {
    const file = join(folder, binaryName(process.platform));
    await Bun.write(file, `#!${node}\n${SERVER}`);
    chmodSync(file, 0o755);
    await Bun.write(
      join(folder, "package.json"),
      JSON.stringify({ name: platformPackage(id), version, os: [process.platform], cpu: [process.arch] }),
    );
  }
  const installBinary = () => writeBinary(join(project, "node_modules", platformPackage(id)));
  const options = (more: Record<string, string> = {}) => ({
    cwd: project,
    program: [node ?? "", join(project, "node_modules/kilde/bin/kilde.js")],
    environment: { PATH: programs, HOME: home, npm_config_offline: "true", ...more },
  });

  test("runs the installed binary with its arguments, input, output and exit code", async () => {
    await installBinary();
    const printed = await run(["print", "a b", "--c"], { ...options(), stdin: "in" });
    expect(JSON.parse(printed.stdout)).toEqual({ args: ["a b", "--c"], input: "in" });
    expect(printed).toMatchObject({ exitCode: 0, stderr: "" });
    expect(await run(["exit", "3"], options())).toEqual({ exitCode: 3, stdout: "", stderr: "" });
  });

  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    test(`passes SIGHUP and ${signal} on to the server, and ends as it ends`, async () => {
      await installBinary();
      const child = launch(["wait"], options());
      let stdout = "";
      const reading = (async () => {
        for await (const bytes of child.stdout) stdout += new TextDecoder().decode(bytes);
      })();
      await eventually(() => stdout === "waits\n");
      child.kill("SIGHUP");
      await eventually(() => stdout === "waits\nSIGHUP\n");
      child.kill(signal);
      await reading;
      expect([await child.exited, stdout]).toEqual([7, `waits\nSIGHUP\n${signal}\n`]);
    });
  }

  test("ends by the signal that ended the server", async () => {
    await installBinary();
    const child = launch(["crash", "SIGKILL"], options());
    await child.exited;
    expect(child.signalCode).toBe("SIGKILL");
  });

  test("does not end with 0 when a signal that Node ignores ended the server", async () => {
    await installBinary();
    const file = join(project, "node_modules", platformPackage(id), binaryName(process.platform));
    await Bun.write(file, `#!${Bun.which("sh")}\nkill -PIPE $$\n`);
    const SIGPIPE = 13;
    expect((await run([], options())).exitCode).toBe(128 + SIGPIPE);
  });

  test("starts @kilde/server in Bun, where no binary is installed", async () => {
    symlinkSync(process.execPath, join(programs, "bun"));
    const server = join(project, "node_modules/@kilde/server");
    await Bun.write(join(server, "package.json"), `{"name":"@kilde/server","version":"${version}"}`);
    await Bun.write(
      join(server, "server/main.js"),
      `${SERVER}\nif (verb === "runtime") console.log(typeof Bun);`,
    );
    expect(await run(["runtime"], options())).toEqual({ exitCode: 0, stdout: "object\n", stderr: "" });
  });

  test("names the remedy where there is no server and no registry, and prints nothing else", async () => {
    const { exitCode, stdout, stderr } = await run(["exit", "0"], options());
    expect([exitCode, stdout]).toEqual([1, ""]);
    expect(stderr.split("\n")).toEqual([
      `kilde: fetching ${platformPackage(id)}@${version} into ${join(home, ".cache/kilde", version)}, once`,
      expect.stringContaining(`\`npm install ${platformPackage(id)}@${version}\` beside kilde`),
      "",
    ]);
  });

  test("fetches the binary from the registry of npm once, also when two processes start together", async () => {
    const folder = join(home, "package");
    await writeBinary(folder);
    // With a home of its own: npm would find the archive in its cache.
    const packing = options({ HOME: emptyFolder() });
    const packed = await run(["pack", "--pack-destination", home], {
      ...packing,
      cwd: folder,
      program: [npm ?? ""],
    });
    const archive = await Bun.file(join(home, packed.stdout.trim())).bytes();
    const requested: string[] = [];
    const registry = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch(request) {
        const { pathname, origin } = new URL(request.url);
        requested.push(decodeURIComponent(pathname));
        if (pathname.endsWith(".tgz")) return new Response(archive);
        const integrity = `sha512-${new Bun.CryptoHasher("sha512").update(archive).digest("base64")}`;
        const dist = { tarball: `${origin}/server.tgz`, integrity };
        const name = platformPackage(id);
        const versions = { [version]: { name, version, dist } };
        return Response.json({ name, "dist-tags": { latest: version }, versions });
      },
    });
    const online = options({ npm_config_offline: "false", npm_config_registry: registry.url.href });
    const results = await Promise.all([run(["exit", "4"], online), run(["exit", "4"], online)]);
    expect(results.map(({ exitCode }) => exitCode)).toEqual([4, 4]);
    expect(new Set(requested)).toEqual(new Set([`/${platformPackage(id)}`, "/server.tgz"]));
    await registry.stop(true);
    expect(await run(["exit", "5"], options())).toEqual({ exitCode: 5, stdout: "", stderr: "" });
    const cache = join(home, ".cache/kilde");
    expect([...new Bun.Glob("*").scanSync({ cwd: cache, onlyFiles: false })]).toEqual([version]);
    expect(existsSync(join(project, "node_modules", dirname(platformPackage(id))))).toBe(false);
  });

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    test(`leaves nothing behind when ${signal} ends it while it fetches the binary`, async () => {
      const requested = Promise.withResolvers<void>();
      const registry = Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        fetch() {
          requested.resolve();
          return new Promise<Response>(() => {});
        },
      });
      const online = options({ npm_config_offline: "false", npm_config_registry: registry.url.href });
      const child = launch(["exit", "4"], online);
      await requested.promise;
      const cache = join(home, ".cache/kilde");
      expect(readdirSync(cache)).toHaveLength(1);
      child.kill(signal);
      const [stderr] = await Promise.all([new Response(child.stderr).text(), child.exited]);
      expect([child.signalCode, stderr.split("\n").length]).toEqual([signal, 2]);
      expect(readdirSync(cache)).toEqual([]);
      await registry.stop(true);
    });
  }
});
