import { readdirSync, readFileSync } from "node:fs";

/** Clock ticks per second in /proc; a constant of the Linux interface. */
const TICKS = 100;

interface ProcessTimes {
  readonly parent: number;
  readonly ticks: number;
}

function timesOf(pid: number): ProcessTimes | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is a name in parentheses that may hold spaces; see proc(5) for the others.
    const fields = text
      .slice(text.lastIndexOf(")") + 2)
      .split(" ")
      .map(Number);
    const [, parent = 0, , , , , , , , , , user = 0, system = 0, childUser = 0, childSystem = 0] = fields;
    return { parent, ticks: user + system + childUser + childSystem };
  } catch {
    return null;
  }
}

/** CPU seconds that a process and all below it have used; null where there is no /proc. */
export function cpuSecondsOf(pid: number): number | null {
  if (timesOf(pid) === null) return null;
  const all = new Map<number, ProcessTimes>();
  for (const name of readdirSync("/proc")) {
    const times = /^\d+$/.test(name) ? timesOf(Number(name)) : null;
    if (times !== null) all.set(Number(name), times);
  }
  const ticksBelow = (root: number): number => {
    let sum = all.get(root)?.ticks ?? 0;
    for (const [child, { parent }] of all) if (parent === root) sum += ticksBelow(child);
    return sum;
  };
  return ticksBelow(pid) / TICKS;
}

/** CPU seconds that the whole machine has worked; null where there is no /proc. */
export function machineCpuSeconds(): number | null {
  try {
    const [line = ""] = readFileSync("/proc/stat", "utf8").split("\n", 1);
    const [user = 0, nice = 0, system = 0, , , irq = 0, softIrq = 0, steal = 0] = line
      .replace(/^cpu +/, "")
      .split(" ")
      .map(Number);
    return (user + nice + system + irq + softIrq + steal) / TICKS;
  } catch {
    return null;
  }
}

/** Memory of a process that is in RAM, in MB; null where there is no /proc. */
export function residentMb(pid: number): number | null {
  try {
    const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return kib === undefined ? null : Number(kib) / 1_024;
  } catch {
    return null;
  }
}
