import { createHash } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/*
 * The name of a process as a holder of leases. It is unique. Where the kernel identifies processes reliably, the name
 * also identifies the process, so that another process on the same machine can detect that it has ended
 * (`ended-holders.ts`).
 */

/** Identifies a process among those that share its kernel and its process ids. */
export interface ProcessMark {
  /** Digest of everything two processes must share so that one can look up the other by its id. */
  readonly place: string;
  readonly pid: number;
  /** Start time in the kernel's ticks: a later process with the same id has another start. */
  readonly start: string;
}

/** The kernel's record of a process in `/proc/<pid>/stat`. */
export interface ProcessStat {
  readonly pid: number;
  readonly state: string;
  readonly threads: number;
  readonly start: string;
}

const PLACE_DIGITS = 32;

const NAME = /^[\da-f-]{36}@([\da-f]{32}):([1-9]\d{0,9}):(\d{1,20})$/;

/** Fields of `/proc/<pid>/stat` after the program's name, which may contain spaces and parentheses. */
const STATE = 0;
const THREADS = 17;
const START = 19;

/** Parses the text of `/proc/<pid>/stat`; null for a text that Linux does not write. */
export function parseProcessStat(text: string): ProcessStat | null {
  const pid = /^\d+(?= \()/.exec(text)?.[0];
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state, threads, start] = [fields[STATE], fields[THREADS], fields[START]];
  if (pid === undefined || state === undefined || threads === undefined) return null;
  if (start === undefined || !/^\d+$/.test(start)) return null;
  return { pid: Number(pid), state, threads: Number(threads), start };
}

/**
 * The mark of this process; null where there is no reliable one, as on systems other than Linux. Processes with the
 * same place run on the same boot of the same kernel, in the same namespace of process ids, and read the same start of
 * a process.
 */
export function readOwnMark(): ProcessMark | null {
  if (process.platform !== "linux") return null;
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const namespaces = ["pid", "time"].map((kind) => readlinkSync(`/proc/self/ns/${kind}`));
    const stat = parseProcessStat(readFileSync("/proc/self/stat", "utf8"));
    // A `/proc` of another namespace has other process ids.
    if (boot === "" || stat?.pid !== process.pid) return null;
    const place = createHash("sha256")
      .update(JSON.stringify([boot, ...namespaces, hostname()]))
      .digest("hex")
      .slice(0, PLACE_DIGITS);
    return { place, pid: stat.pid, start: stat.start };
  } catch {
    // Without `/proc`, or with one that hides this, leases last until they expire.
    return null;
  }
}

/** Creates a new name for a holder of leases in this process. The name does not identify the machine. */
export function newHolderName(mark: ProcessMark | null = readOwnMark()): string {
  const id = crypto.randomUUID();
  return mark === null ? id : `${id}@${mark.place}:${mark.pid}:${mark.start}`;
}

/** The mark in a holder's name; null when it has none. */
export function markOf(holder: string): ProcessMark | null {
  const [, place, pid, start] = NAME.exec(holder) ?? [];
  if (place === undefined || pid === undefined || start === undefined) return null;
  return { place, pid: Number(pid), start };
}
