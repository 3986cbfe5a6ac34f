import { closeSync, fsyncSync, openSync, renameSync } from "node:fs";
import { dirname } from "node:path";

/** Has the system write a file or folder to the disk. */
function flush(path: string, flags: "r" | "r+"): void {
  const descriptor = openSync(path, flags);
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Puts a finished file in its place: whoever looks finds the old one or the new one, also after a power cut. */
export function putInPlace(finished: string, place: string): void {
  flush(finished, "r+");
  renameSync(finished, place);
  // Windows cannot open a folder, and has no need to.
  if (process.platform !== "win32") flush(dirname(place), "r");
}
