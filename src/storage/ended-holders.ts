import { readFileSync } from "node:fs";

import type { HasEnded } from "./lease.ts";
import { markOf, parseProcessStat, type ProcessMark, type ProcessStat, readOwnMark } from "./holder-name.ts";

/*
 * Detects that the process that holds a lease has ended. Only a process that shares a kernel and its process ids with
 * the holder can detect it; all others wait until the lease expires. A process that is stopped, or that cannot be seen,
 * counts as alive.
 */

/** The state of a process id: no process, a process that cannot be read, or the kernel's record. */
export type ProcessState = "none" | "unreadable" | ProcessStat;

/** Looks up a process by its id. */
function lookUpProcess(pid: number): ProcessState {
  try {
    // Signal 0 sends nothing. It also finds processes that `/proc` hides.
    process.kill(pid, 0);
  } catch (error) {
    // Any other error means that the process exists and belongs to another user.
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return "none";
  }
  try {
    return parseProcessStat(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? "unreadable";
  } catch {
    return "unreadable";
  }
}

/** Whether the process ended, but its parent has not yet collected its exit code. */
function isZombie({ state, threads }: ProcessStat): boolean {
  // The first thread may end before others, which still run.
  return (state === "Z" || state === "X") && threads <= 1;
}

/** Whether the process of a mark has ended, given the state of the process that has its id now. */
export function hasProcessEnded({ pid, start }: ProcessMark, state: ProcessState): boolean {
  if (state === "none") return true;
  if (state === "unreadable" || state.pid !== pid) return false;
  return state.start !== start || isZombie(state);
}

export interface EndedHoldersDeps {
  /** Null: this process cannot judge any other. */
  readonly own: ProcessMark | null;
  readonly lookUp: (pid: number) => ProcessState;
}

/**
 * Judges holders. A holder that takes a lease again after it was judged to have ended proves that processes of one
 * place run on several machines, as copies of a virtual machine's memory do. From then on this process judges none.
 */
export function createEndedHolders(
  { own, lookUp }: EndedHoldersDeps = { own: readOwnMark(), lookUp: lookUpProcess },
): HasEnded {
  /** By lease: the last holder that was judged to have ended. */
  const ended = new Map<string, { readonly holder: string; readonly token: number }>();
  let isRefuted = false;
  return ({ name, holder, token }) => {
    const mark = markOf(holder);
    if (own === null || isRefuted || mark?.place !== own.place) return false;
    if (!hasProcessEnded(mark, lookUp(mark.pid))) return false;
    const earlier = ended.get(name);
    isRefuted = earlier?.holder === holder && earlier.token < token;
    if (isRefuted) return false;
    ended.set(name, { holder, token });
    return true;
  };
}
