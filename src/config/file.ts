import { existsSync, lstatSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

import { serveHostModules } from "./host-modules.ts";
import { ConfigError } from "./config-error.ts";
import { CONFIG_FILE } from "./names.ts";

interface ConfigFile {
  /** For display: the name in the working directory, or the stated path. */
  readonly path: string;
  readonly absolute: string;
  readonly value: Readonly<Record<string, unknown>>;
}

/** Describes an import error, with the file and line that Bun reports. */
function importFault(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const position: unknown = "position" in error ? error.position : null;
  if (typeof position === "object" && position !== null && "line" in position && "file" in position) {
    return `${error.message} (${String(position.file)}:${String(position.line)})`;
  }
  // BuildMessages of several errors come as one AggregateError.
  if (error instanceof AggregateError) return error.errors.map(importFault).join("; ");
  const where = /\((file:)?([^()]+:\d+:\d+)\)|at ([^() ]+:\d+:\d+)/.exec(error.stack ?? "");
  const place = where?.[2] ?? where?.[3];
  return place === undefined ? error.message : `${error.message} (${place})`;
}

/**
 * Loads the stated file, or `kilde.config.ts` of the working directory; null when there is none. Throws a {@link
 * ConfigError} for a stated file that does not exist, and for one that cannot be loaded.
 */
export async function loadConfigFile(cwd: string, stated: string | undefined): Promise<ConfigFile | null> {
  const path = stated ?? CONFIG_FILE;
  const absolute = resolve(cwd, path);
  if (!existsSync(absolute)) {
    if (lstatSync(absolute, { throwIfNoEntry: false })?.isSymbolicLink() === true)
      throw new ConfigError([`${path} cannot be loaded: it is a symbolic link to a missing file`]);
    if (stated === undefined) return null;
    throw new ConfigError([`config: there is no file ${JSON.stringify(path)} (flag --config)`]);
  }
  serveHostModules();
  let exported: unknown;
  try {
    const loaded = (await import(pathToFileURL(absolute).href)) as { default?: unknown };
    exported = loaded.default;
  } catch (error) {
    throw new ConfigError([`${path} cannot be loaded: ${importFault(error)}`], { cause: error });
  }
  if (typeof exported !== "object" || exported === null || Array.isArray(exported)) {
    throw new ConfigError([`${path} must export its settings: export default defineConfig({ … })`]);
  }
  return { path, absolute, value: exported as Readonly<Record<string, unknown>> };
}
