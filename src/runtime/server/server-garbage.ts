import { systemClock } from "../../core/system-clock.ts";
import type { EventLogger } from "../event-logger.ts";
import { type GarbageRelease, startGarbageRelease } from "./garbage-release.ts";

function processCpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** Collects the garbage of a process that is a server. */
export function startServerGarbage(logger: EventLogger): GarbageRelease {
  return startGarbageRelease({
    collect: () => Bun.gc(true),
    cpuMs: processCpuMs,
    clock: systemClock,
    onFailure: (err) => logger.warn({ err }, "collecting the garbage of a load failed; retrying"),
  });
}
