import { systemClock } from "../../core/system-clock.ts";
import { startServerLoop } from "../server-loop.ts";

export interface StartWhenNeededOptions<Running> {
  readonly name: string;
  /** Whether there is work, which another process may have left. */
  readonly hasWork: () => Promise<boolean>;
  /** Time between two looks for work, in milliseconds. */
  readonly lookMs: number;
  readonly start: () => Running;
  /** Called each time that a look failed. */
  readonly onFailure: (error: unknown) => void;
}

/** Work that starts later. */
export interface NeededLater<Running> {
  /** Starts the work now, unless it has started or was closed. */
  start(): void;
  /** Null: the work has not started. */
  running(): Running | null;
  close(): Promise<void>;
}

/** Starts work when a look finds some, or when the caller asks for it: an idle store spends nothing on it. */
export function startWhenNeeded<Running extends { close(): Promise<void> }>({
  name,
  hasWork,
  lookMs,
  start,
  onFailure,
}: StartWhenNeededOptions<Running>): NeededLater<Running> {
  let running: Running | null = null;
  let isClosed = false;
  const startOnce = () => {
    if (!isClosed) running ??= start();
  };
  const looks = startServerLoop(
    {
      name,
      async run() {
        if (running === null && (await hasWork())) startOnce();
        return running === null ? { until: (signal) => systemClock.sleep(lookMs, signal) } : "over";
      },
    },
    { firstMs: lookMs, lastMs: lookMs },
    onFailure,
  );
  return {
    start: startOnce,
    running: () => running,
    async close() {
      isClosed = true;
      await looks.close();
      await running?.close();
    },
  };
}
