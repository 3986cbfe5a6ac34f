import { existsSync } from "node:fs";
import { join } from "node:path";

import { CONFIG_FILE } from "../config/names.ts";
import type { CliContext } from "./context.ts";

/** Files that look like the configuration file, but are read only if `--config` names them. */
const MISNAMED = ["js", "mjs", "cjs", "mts", "cts", "json", "jsonc"].map(
  (ending) => `kilde.config.${ending}`,
);

/** Variables of clients: with these alone, the settings and their names are not loaded. */
const CLIENT_VARIABLES: ReadonlySet<string> = new Set(["KILDE_URL", "KILDE_TOKEN", "KILDE_TOKEN_FILE"]);

/** Reports files and variables that look like settings, and are ignored. */
export async function reportIgnoredSettings(
  { environment, cwd, stderr }: CliContext,
  args: readonly string[],
): Promise<void> {
  const ignored = MISNAMED.filter((name) => existsSync(join(cwd, name)))
    .filter((name) => !args.some((arg) => arg.endsWith(name)))
    .map(
      (name) =>
        `${name} is ignored: the configuration file is ${CONFIG_FILE}; rename it, or use --config ${name}`,
    );
  if (Object.keys(environment).some((name) => name.startsWith("KILDE_") && !CLIENT_VARIABLES.has(name))) {
    const { unknownVariables } = await import("../config/unknown-variables.ts");
    ignored.push(...unknownVariables(environment));
  }
  for (const line of ignored) await stderr.write(`kilde: ${line}\n`);
}
