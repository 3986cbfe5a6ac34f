import { beforeEach, describe, expect, test } from "bun:test";
import { copyFile, mkdir } from "node:fs/promises";
import { delimiter, join } from "node:path";

import { cleanUp, emptyFolder, type Served, serve } from "../../cli/support.ts";

/**
 * Generators make clients from the document that a server serves, without patches. The clients compile, and the
 * programs in `programs/` append, page, list and commit with them.
 */

cleanUp();

const PROGRAMS = join(import.meta.dir, "programs");

const OAPI_CODEGEN = "github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2";
const OAPI_RUNTIME = "github.com/oapi-codegen/runtime@v1.9.0";
const OGEN = "github.com/ogen-go/ogen@v1.25.0";
const PYTHON_CLIENT = "openapi-python-client==0.29.1";
const OPENAPI_TYPESCRIPT = "openapi-typescript@7.13.0";
/** The compiler that openapi-typescript works with. */
const TYPESCRIPT = "typescript@5.9.3";
const OPENAPI_FETCH = "openapi-fetch@0.17.0";
const REDOCLY = "@redocly/cli@2.77.0";
const SPECTRAL = "@stoplight/spectral-cli@6.16.3";

/** Runs a tool, and returns its output. Throws the output when it fails. */
async function runTool(cwd: string, ...command: readonly string[]): Promise<string> {
  const child = Bun.spawn([...command], {
    cwd,
    env: { ...process.env, REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${stderr}${stdout}`.slice(0, 10_000));
  return stdout;
}

/** Time for the registry of a language to answer. */
const REGISTRY_MS = 30_000;

/**
 * Whether a program of a language is installed, and reaches its registry, which is asked for a tool by a command. The tests
 * that need it are skipped otherwise, with a message.
 */
function isAvailable(tools: string, [program, ...ask]: readonly [string, ...string[]]): boolean {
  const skip = (reason: string) => {
    console.log(`Skipped: ${tools}, because ${reason}`);
    return false;
  };
  if (Bun.which(program) === null) return skip(`${program} is not installed`);
  const { success } = Bun.spawnSync([program, ...ask], {
    timeout: REGISTRY_MS,
    stdout: "ignore",
    stderr: "ignore",
  });
  return success || skip(`${program} does not reach its registry`);
}

const hasGo = isAvailable("oapi-codegen and ogen", ["go", "list", "-m", OAPI_RUNTIME]);
const download = ["pip", "download", "--no-deps", "--dest", emptyFolder(), PYTHON_CLIENT];
const hasPython = isAvailable("openapi-python-client", ["python3", "-m", ...download]);
const hasNpm = isAvailable("openapi-typescript, Redocly and Spectral", [
  "npm",
  "view",
  OPENAPI_FETCH,
  "version",
]);

let server: Served;
let folder: string;
beforeEach(async () => {
  server = await serve(emptyFolder());
  folder = emptyFolder();
  await Bun.write(join(folder, "openapi.json"), await fetch(`${server.url}/openapi.json`));
});

function placeProgram(name: string, file: string): Promise<void> {
  return copyFile(join(PROGRAMS, name), join(folder, file));
}

/** The output of each program. */
const WORKED = { version: 3, types: ["A", "B", "C"], streams: ["generated"], committed: 3 };

describe.skipIf(!hasGo)("Go", () => {
  test("a client of oapi-codegen appends, pages, lists and commits", async () => {
    await mkdir(join(folder, "api"));
    await placeProgram("oapi-codegen.go", "main.go");
    const options = ["-generate", "types,client", "-package", "api", "-o", "api/api.gen.go"];
    await runTool(folder, "go", "run", OAPI_CODEGEN, ...options, "openapi.json");
    await runTool(folder, "go", "mod", "init", "generated");
    await runTool(folder, "go", "get", OAPI_RUNTIME);
    await runTool(folder, "go", "vet", "./...");
    expect(JSON.parse(await runTool(folder, "go", "run", ".", server.url))).toEqual(WORKED);
  });

  test("a client of ogen appends, pages, lists and commits", async () => {
    await placeProgram("ogen.go", "main.go");
    await runTool(folder, "go", "mod", "init", "generated");
    const generator = OGEN.replace("@", "/cmd/ogen@");
    await runTool(folder, "go", "run", generator, "--target", "api", "--package", "api", "openapi.json");
    await runTool(folder, "go", "get", OGEN);
    await runTool(folder, "go", "mod", "tidy");
    await runTool(folder, "go", "vet", "./...");
    expect(JSON.parse(await runTool(folder, "go", "run", ".", server.url))).toEqual(WORKED);
  });
});

test.skipIf(!hasPython)("a client of openapi-python-client appends, pages, lists and commits", async () => {
  await placeProgram("openapi-python-client.py", "main.py");
  await runTool(folder, "python3", "-m", "venv", "venv");
  const bin = join(folder, "venv/bin");
  await runTool(folder, join(bin, "pip"), "install", "--quiet", PYTHON_CLIENT);
  // The generator formats its code with ruff, which it looks for on the path.
  const path = `PATH=${bin}${delimiter}${process.env["PATH"] ?? ""}`;
  const generate = ["openapi-python-client", "generate", "--path", "openapi.json", "--fail-on-warning"];
  await runTool(folder, "env", path, ...generate, "--meta", "none", "--output-path", "kilde_client");
  const python = join(bin, "python");
  await runTool(folder, python, "-m", "compileall", "-q", "kilde_client");
  expect(JSON.parse(await runTool(folder, python, "main.py", server.url))).toEqual(WORKED);
});

describe.skipIf(!hasNpm)("npm", () => {
  test("a client of openapi-typescript appends, pages, lists and commits", async () => {
    await placeProgram("openapi-typescript.ts.txt", "main.ts");
    await Bun.write(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
    await runTool(folder, "npm", "install", "--silent", OPENAPI_TYPESCRIPT, OPENAPI_FETCH, TYPESCRIPT);
    await runTool(folder, "npx", "openapi-typescript", "openapi.json", "-o", "api.ts");
    const module = ["--target", "esnext", "--module", "preserve", "--allowImportingTsExtensions"];
    await runTool(folder, "npx", "tsc", "--noEmit", "--strict", ...module, "main.ts");
    expect(JSON.parse(await runTool(folder, process.execPath, "main.ts", server.url))).toEqual(WORKED);
  });

  test("Redocly finds no error by its recommended rules", async () => {
    const lint = ["lint", "--extends", "recommended", "--format", "stylish", "openapi.json"];
    await runTool(folder, "npx", "--yes", REDOCLY, ...lint);
  });

  test("Spectral finds no error by its rules for OpenAPI", async () => {
    await Bun.write(join(folder, ".spectral.yaml"), 'extends: ["spectral:oas"]\n');
    await runTool(folder, "npx", "--yes", SPECTRAL, "lint", "--fail-severity", "error", "openapi.json");
  });
});
