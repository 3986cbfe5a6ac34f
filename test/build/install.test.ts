import { expect, test } from "bun:test";
import { join } from "node:path";

import { run } from "../cli/support.ts";

const ROOT = join(import.meta.dir, "../..");

test.skipIf(Bun.which("npm") === null)(
  "npm installs the project without a warning about engines or scripts of packages",
  async () => {
    const install = [
      "npm",
      "install",
      "--dry-run",
      "--offline",
      "--no-audit",
      "--no-fund",
      "--no-update-notifier",
    ];
    const { exitCode, stderr } = await run([], { cwd: ROOT, program: install });
    expect([exitCode, stderr]).toEqual([0, ""]);
  },
);
