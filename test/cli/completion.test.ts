import { expect, test } from "bun:test";
import { chmodSync, existsSync } from "node:fs";
import { join } from "node:path";

import { cleanUp, emptyFolder, FROM_SOURCE } from "./support.ts";

cleanUp();

/** What bash, without the bash-completion package, completes a line to. */
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
}, 20_000);

test("bash runs nothing of what was typed when it completes", async () => {
  const cwd = emptyFolder();
  await completed("kilde append $(touch ran) `touch ran` ;touch ran", cwd);
  expect(existsSync(join(cwd, "ran"))).toBe(false);
});
