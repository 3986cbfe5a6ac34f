import { Presets, SingleBar } from "cli-progress";

import type { CliContext } from "./context.ts";

/** Shows progress on a terminal, and nothing elsewhere. */
export interface ProgressBar {
  update(done: number, events: number): void;
  stop(): void;
}

const SILENT: ProgressBar = { update: () => {}, stop: () => {} };

function rate(events: number, milliseconds: number): string {
  return Math.round((events * 1_000) / Math.max(1, milliseconds)).toLocaleString("en");
}

/** Remaining time at the average rate so far: `45 s`, `12 min`. */
function timeLeft(done: number, total: number, milliseconds: number): string {
  if (done === 0) return "?";
  const seconds = Math.ceil((milliseconds / done) * Math.max(0, total - done) * 0.001);
  return seconds < 100 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`;
}

/** A bar from 0 to `total` on standard error, with the events' number and rate, and the time left. */
export function showProgress(context: CliContext, label: string, total: number | null): ProgressBar {
  if (!context.stderr.isTerminal || total === null || total === 0) return SILENT;
  const started = context.clock.monotonic();
  const bar = new SingleBar(
    {
      format: `${label} {bar} {percentage}% | {count} events | {rate}/s | {left} left`,
      stream: context.stderr.stream,
      clearOnComplete: true,
      barsize: 30,
    },
    Presets.shades_classic,
  );
  bar.start(total, 0, { count: "0", rate: "0", left: "?" });
  return {
    update(done, events) {
      const elapsed = context.clock.monotonic() - started;
      bar.update(Math.min(done, total), {
        count: events.toLocaleString("en"),
        rate: rate(events, elapsed),
        left: timeLeft(done, total, elapsed),
      });
    },
    stop: () => bar.stop(),
  };
}

/** `55,628 events in 1.2 s (46,357/s)` */
export function summary(events: number, milliseconds: number): string {
  const seconds = (milliseconds / 1_000).toFixed(1);
  return `${events.toLocaleString("en")} events in ${seconds} s (${rate(events, milliseconds)}/s)`;
}
