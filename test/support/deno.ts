import { existsSync } from "node:fs";
import { join } from "node:path";

const PACKAGE = join(import.meta.dir, "../../node_modules/deno");

function installed(): string | null {
  const program = join(PACKAGE, "deno");
  // The package puts it there when its command first runs.
  if (existsSync(PACKAGE) && !existsSync(program))
    Bun.spawnSync(["node", join(PACKAGE, "bin.cjs"), "--version"]);
  return existsSync(program) ? program : null;
}

/**
 * The program of Deno; null: it is not installed. It is not the package's command, whose process starts another one, which
 * continues when the first is killed.
 */
export const DENO = installed();
