import { existsSync, readlinkSync, realpathSync } from "node:fs";
import { dirname, resolve } from "node:path";

/** As many as Linux follows. */
const MOST_LINKS = 40;

/** Null for a name that is no link, or that this user may not look at. */
function linkTarget(name: string): string | null {
  try {
    return resolve(dirname(name), readlinkSync(name));
  } catch {
    return null;
  }
}

/**
 * The file behind a name, which may be a symbolic link: what SQLite keeps beside a database is beside the file. The file
 * itself may be missing. Of links in a circle it returns one.
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
