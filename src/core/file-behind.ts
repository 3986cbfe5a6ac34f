import { existsSync, readlinkSync, realpathSync } from "node:fs";
import { dirname, resolve } from "node:path";

/** The limit of Linux. */
const MOST_LINKS = 40;

/** Null when the name is not a link, or this user may not read it. */
function linkTarget(name: string): string | null {
  try {
    return resolve(dirname(name), readlinkSync(name));
  } catch {
    return null;
  }
}

/**
 * Resolves a file name that may be a symbolic link: SQLite keeps its companion files beside the real file. The file
 * itself may be missing. For a circle of links, returns one of them.
 */
export function fileBehind(name: string): string {
  let end = name;
  for (let links = 0; links < MOST_LINKS; links += 1) {
    if (existsSync(end)) return realpathSync(end);
    const target = linkTarget(end);
    if (target === null) return end;
    end = target;
  }
  return end;
}
