import { expect, test } from "bun:test";
import { chmodSync, existsSync } from "node:fs";
import { join } from "node:path";

import { cleanUp, emptyFolder, FROM_SOURCE } from "./support.ts";

cleanUp();

/** The completions of a line in bash, without the bash-completion package. */
async function completed(line: string, cwd: string): Promise<string[]> {
  const kilde = join(cwd, "kilde");
  await Bun.write(kilde, `#!/bin/sh\nexec ${FROM_SOURCE.map((part) => `'${part}'`).join(" ")} "$@"\n`);
  chmodSync(kilde, 0o755);
  const script = `set -eu
    eval "$(kilde complete bash)"
    eval "$(kilde complete bash)"
    complete -p kilde | grep -q '__kilde_complete kilde'
    COMP_LINE=$1 COMP_POINT=\${#1}
    __kilde_complete
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const child = Bun.spawn(["bash", "--noprofile", "--norc", "-c", script, "bash", line], {
    cwd,
    env: { PATH: `${cwd}:${process.env["PATH"] ?? ""}` },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  expect([exitCode, stderr]).toEqual([0, ""]);
  return stdout.split("\n").filter((entry) => entry !== "");
}

test("bash completes commands and options, sourced twice, without the bash-completion package", async () => {
  const cwd = emptyFolder();
  expect(await completed("kilde str", cwd)).toEqual(["streams"]);
  expect(await completed("kilde feeds t", cwd)).toEqual(["test", "types"]);
  expect(await completed("kilde read --pre", cwd)).toEqual(["--prefix", "--pretty"]);
  expect(await completed("kilde webhooks ", cwd)).toContain("rotate-secret");
  expect(await completed("kilde nothing-of-this-name", cwd)).toEqual([]);
});

test("bash executes no part of the line that it completes", async () => {
  const cwd = emptyFolder();
  await completed("kilde append $(touch ran) `touch ran` ;touch ran", cwd);
  expect(existsSync(join(cwd, "ran"))).toBe(false);
});

/** Runs a script of another shell where `kilde` is on the path. */
async function runShell(shell: string, args: readonly string[], cwd: string) {
  const kilde = join(cwd, "kilde");
  await Bun.write(kilde, `#!/bin/sh\nexec ${FROM_SOURCE.map((part) => `'${part}'`).join(" ")} "$@"\n`);
  chmodSync(kilde, 0o755);
  const child = Bun.spawn([shell, ...args], {
    cwd,
    env: { PATH: `${cwd}:${process.env["PATH"] ?? ""}`, HOME: cwd },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { stdout, stderr };
}

/** The completions of a line in fish. */
async function completedByFish(line: string, cwd: string): Promise<string[]> {
  const script = "kilde complete fish | source; complete -C $argv[1]";
  const { stdout, stderr } = await runShell("fish", ["--no-config", "-c", script, line], cwd);
  expect(stderr).toBe("");
  return stdout.split("\n").flatMap((entry) => (entry === "" ? [] : [entry.split("\t")[0] ?? ""]));
}

test.skipIf(Bun.which("fish") === null)(
  "fish (skipped where it is not installed) completes commands and options, and runs nothing that was typed",
  async () => {
    const cwd = emptyFolder();
    expect(await completedByFish("kilde str", cwd)).toEqual(["streams"]);
    expect((await completedByFish("kilde feeds t", cwd)).toSorted()).toEqual(["test", "types"]);
    expect((await completedByFish("kilde read --pre", cwd)).toSorted()).toEqual(["--prefix", "--pretty"]);
    await completedByFish("kilde append (touch ran) $(touch ran) s", cwd);
    expect(existsSync(join(cwd, "ran"))).toBe(false);
  },
  60_000,
);

/** Calls the completion function like zsh, and prints its completions. */
const ZSH = `
  compdef() { : }
  _describe() { print -l -- "\${completions[@]}" }
  eval "$(kilde complete zsh)"
  words=("$@")
  CURRENT=$#words
  _kilde`;

async function completedByZsh(words: readonly string[], cwd: string): Promise<string[]> {
  const { stdout } = await runShell("zsh", ["-f", "-c", ZSH, "zsh", ...words], cwd);
  return stdout.split("\n").flatMap((entry) => (entry === "" ? [] : [entry.split(":")[0] ?? ""]));
}

test.skipIf(Bun.which("zsh") === null)(
  "zsh (skipped where it is not installed) completes commands and options, and runs nothing that was typed",
  async () => {
    const cwd = emptyFolder();
    expect(await completedByZsh(["kilde", "str"], cwd)).toContain("streams");
    expect(await completedByZsh(["kilde", "feeds", "t"], cwd)).toEqual(["test", "types"]);
    expect(await completedByZsh(["kilde", "read", "--pre"], cwd)).toEqual(["--prefix", "--pretty"]);
    await completedByZsh(["kilde", "append", "$(touch ran)", "`touch ran`", ";touch ran", "s"], cwd);
    expect(existsSync(join(cwd, "ran"))).toBe(false);
  },
  60_000,
);
