import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/** Files and folders of the project that a build reads. */
const SOURCES = ["src", "migrations", "package.json", "package-lock.json", "tsconfig.json"];

/** Whether a file was built after the last change of the sources. The time of a folder shows which files left it. */
export function isNewerThanSources(root: string, built: string): boolean {
  if (!existsSync(built)) return false;
  const { mtimeMs } = statSync(built);
  return SOURCES.flatMap((source) => {
    const path = join(root, source);
    if (!statSync(path).isDirectory()) return [path];
    return [
      path,
      ...readdirSync(path, { recursive: true, encoding: "utf8" }).map((name) => join(path, name)),
    ];
  }).every((path) => statSync(path).mtimeMs < mtimeMs);
}
