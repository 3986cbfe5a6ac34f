import { readFileSync } from "node:fs";
import { arch, cpus, release, totalmem, type } from "node:os";

import type { Machine } from "./results.ts";

/** The mount that a folder lies on: the longest one that it begins with. */
function fileSystemOf(folder: string): string {
  try {
    const mounts = readFileSync("/proc/mounts", "utf8").trim().split("\n");
    const fields = mounts.map((line) => line.split(" "));
    const holding = fields.filter(([, point = ""]) => folder.startsWith(point === "/" ? point : `${point}/`));
    const [nearest] = holding.toSorted(([, a = ""], [, b = ""]) => b.length - a.length);
    return `${nearest?.[2] ?? "unknown"} (${nearest?.[0] ?? "unknown"})`;
  } catch {
    return "unknown";
  }
}

export function describeMachine(
  folder: string,
  versions: Machine["versions"],
  missing: Machine["missing"],
): Machine {
  return {
    cores: navigator.hardwareConcurrency,
    cpu: cpus()[0]?.model ?? "unknown",
    memoryGb: Math.round(totalmem() / 1024 ** 3),
    kernel: `${type()} ${release().split(".", 2).join(".")} ${arch()}`,
    fileSystem: fileSystemOf(folder),
    versions: { Bun: Bun.version, ...versions },
    missing,
  };
}
