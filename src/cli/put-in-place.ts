import {
  closeSync,
  copyFileSync,
  constants,
  fsyncSync,
  linkSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
} from "node:fs";
import { dirname } from "node:path";

import type { CliContext } from "./context.ts";
import { CliError, EXIT } from "./exit.ts";

/** Flushes a file or folder to the disk. */
function flush(path: string, flags: "r" | "r+"): void {
  const descriptor = openSync(path, flags);
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function flushFolder(folder: string): void {
  // Windows cannot open a folder, and has no need to.
  if (process.platform !== "win32") flush(folder, "r");
}

/** Moves a finished file to its place: readers find the old one or the new one, even after a power failure. */
export function putInPlace(finished: string, place: string): void {
  flush(finished, "r+");
  renameSync(finished, place);
  flushFolder(dirname(place));
}

function errorCode(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : null;
}

/** Gives a file a second name; copies it on file systems without hard links. Fails with `EEXIST` if the name is taken. */
export function linkFile(file: string, name: string): void {
  try {
    linkSync(file, name);
  } catch (error) {
    if (errorCode(error) === "EEXIST") throw error;
    copyFileSync(file, name, constants.COPYFILE_EXCL);
    flush(name, "r+");
  }
  flushFolder(dirname(name));
}

/**
 * Moves a finished file to a place that must be free. Of several processes with the same place, one succeeds.
 *
 * @returns false when the place is taken.
 */
export function putInFreePlace(finished: string, place: string): boolean {
  flush(finished, "r+");
  try {
    linkFile(finished, place);
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw error;
  }
  rmSync(finished);
  return true;
}

const DISK_FULL = new Set<unknown>(["ENOSPC", "EDQUOT"]);
const NOT_WRITABLE = new Set<unknown>(["EACCES", "EPERM", "EROFS"]);

/** Names the cause when the disk or the folder of a place rejects a file; returns other errors unchanged. */
function placeError(error: unknown, place: string): unknown {
  const code = errorCode(error);
  const options = { cause: error };
  if (DISK_FULL.has(code)) {
    return new CliError(
      EXIT.failure,
      `The disk of ${place} is full`,
      "Free disk space, and try again.",
      options,
    );
  }
  if (NOT_WRITABLE.has(code)) {
    const remedy = "Give this user the right to write the folder.";
    return new CliError(EXIT.failure, `The folder of ${place} cannot be written`, remedy, options);
  }
  return error;
}

function makeFolderBeside(place: string, purpose: string): string {
  try {
    return mkdtempSync(`${place}.${purpose}-`);
  } catch (error) {
    throw placeError(error, place);
  }
}

/**
 * Runs work with a temporary folder next to a place, on the same file system. Removes the folder afterwards, and also
 * when a signal asks the process to stop, which then ends it.
 */
export async function withFolderBeside<Result>(
  { onStopSignal, exit }: Pick<CliContext, "onStopSignal" | "exit">,
  place: string,
  purpose: "unfinished" | "restoring",
  use: (folder: string) => Promise<Result>,
): Promise<Result> {
  const folder = makeFolderBeside(place, purpose);
  const remove = () => rmSync(folder, { recursive: true, force: true });
  onStopSignal(() => {
    remove();
    exit(EXIT.failure);
  });
  try {
    return await use(folder);
  } catch (error) {
    throw placeError(error, place);
  } finally {
    remove();
  }
}
