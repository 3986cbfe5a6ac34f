import { statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

import { fileBehind } from "../core/file-behind.ts";

/** File systems of these platforms ignore case in names by default. */
const IGNORES_CASE = process.platform === "darwin" || process.platform === "win32";

/** Null for a path that does not exist or cannot be read. */
function inodeOf(path: string): string | null {
  try {
    const { dev, ino } = statSync(path);
    return `${dev}:${ino}`;
  } catch {
    return null;
  }
}

/**
 * Returns the same text for all names of one file: relative and absolute paths, symbolic and hard links, and other case
 * where the file system ignores it. A missing file is identified by its closest existing folder.
 */
export function fileIdentity(path: string, cwd: string): string {
  const whole = fileBehind(resolve(cwd, path));
  for (let folder = whole; ; folder = dirname(folder)) {
    const inode = inodeOf(folder);
    if (inode !== null) {
      const rest = relative(folder, whole);
      return join(inode, IGNORES_CASE ? rest.toLowerCase() : rest);
    }
    if (folder === dirname(folder)) return whole;
  }
}
