import type { RunningDeliveries, DeliveryOptions } from "./deliveries.ts";
import type { DispatcherCommand, DispatcherReport } from "./dispatcher-thread.ts";
import { newHolderName } from "../../storage/holder-name.ts";
import { systemClock } from "../../core/system-clock.ts";
import { type ConnectWriter, transferOf } from "../../storage/writer/writer-thread-host.ts";
import { hasSubscriptions } from "../../webhooks/subscriptions/has-subscriptions.ts";

export interface DeliveringOptions extends Omit<DeliveryOptions, "holder"> {
  readonly url: string;
  /** Connects a thread with the one that writes; null: this thread writes. */
  readonly connect: ConnectWriter | null;
}

/** How long after it failed the thread is started anew. */
const RESTART_MS = 1_000;

/** How often it is looked whether another process has made the first subscription. */
const FIRST_LOOK_MS = 5_000;

interface Thread extends DeliveringOptions {
  readonly connect: ConnectWriter;
  readonly holder: string;
}

/** Deliveries that were begun. */
interface Run {
  readonly delivering: RunningDeliveries;
  /** Resolves when they end: with the error that they failed with, or null when they were closed. */
  readonly ended: Promise<Error | null>;
}

/** Delivers in a thread of its own, so that requests and appends do not wait for deliveries. */
function startThread(options: Thread): Run {
  const { url, limits, pollIntervalMs, holder, egressAllow, secretKeys, connect, onEvent } = options;
  // The bundler takes a worker in that is named like this.
  const worker = new Worker(new URL("./dispatcher-thread.ts", import.meta.url).href);
  const tell = (command: DispatcherCommand, transfer: Transferable[] = []) =>
    worker.postMessage(command, transfer);
  const writing = connect((change) => tell({ kind: "writer", change }, transferOf(change)));
  const { promise: ended, resolve } = Promise.withResolvers<Error | null>();
  const end = (failure: string | null) => {
    writing.disconnect();
    worker.terminate();
    resolve(failure === null ? null : new Error(`The delivering thread failed: ${failure}`));
  };
  worker.addEventListener("error", (event) => end(event.message));
  worker.addEventListener("close", () => end("it ended"));
  worker.addEventListener("message", ({ data }: MessageEvent<DispatcherReport>) => {
    if (data.kind === "event") onEvent(data.event);
    else end(data.kind === "failed" ? data.message : null);
  });
  const { channel } = writing;
  tell({ kind: "open", url, limits, pollIntervalMs, holder, egressAllow, secretKeys, writing: channel }, [
    channel,
  ]);
  return {
    ended,
    delivering: {
      changed: (subscription) => tell({ kind: "changed", subscription }),
      learn: (path, log) => tell({ kind: "news", path, log }),
      async close() {
        tell({ kind: "close" });
        await ended;
      },
    },
  };
}

/** Delivers in this thread, where each subscription starts again after it failed. */
async function startHere(options: DeliveryOptions): Promise<Run> {
  // Loaded only here: a server that delivers nothing need not wait for it at each start.
  const { runDeliveries } = await import("./deliveries.ts");
  const delivering = runDeliveries(options);
  const { promise: ended, resolve } = Promise.withResolvers<null>();
  return {
    ended,
    delivering: {
      ...delivering,
      async close() {
        await delivering.close();
        resolve(null);
      },
    },
  };
}

/** Without a key there can be no subscription; those of another process it has to deliver. */
const NOTHING: RunningDeliveries = { changed: () => {}, learn: () => {}, close: () => Promise.resolve() };

/** Delivers webhooks as suits the database. Nothing is started before there is a subscription. */
export function startDeliveries(options: DeliveringOptions): RunningDeliveries {
  const { connect, secretKeys, onEvent } = options;
  if (secretKeys.length === 0) return NOTHING;
  const holder = newHolderName();
  const stopping = new AbortController();
  let running: RunningDeliveries | null = null;
  let started: Promise<void> | null = null;

  /** Delivers until it is closed or fails; gives the error that it failed with. */
  const runOnce = async (): Promise<Error | null> => {
    const run =
      connect === null
        ? await startHere({ ...options, holder })
        : startThread({ ...options, connect, holder });
    running = run.delivering;
    if (stopping.signal.aborted) await running.close();
    return run.ended;
  };

  const runUntilStopped = async () => {
    while (!stopping.signal.aborted) {
      const error = await runOnce().catch((thrown: unknown) => thrown);
      running = null;
      if (error === null) return;
      onEvent({ kind: "failed", subscription: "all", error });
      await systemClock.sleep(RESTART_MS, stopping.signal);
    }
  };

  const startOnce = () => {
    started ??= runUntilStopped();
  };

  const look = async () => {
    while (!stopping.signal.aborted && started === null) {
      const found = await hasSubscriptions(options.database).catch((error: unknown) => {
        onEvent({ kind: "failed", subscription: "all", error });
        return false;
      });
      if (found) startOnce();
      else await systemClock.sleep(FIRST_LOOK_MS, stopping.signal);
    }
  };
  const looking = look();

  return {
    changed(subscription) {
      startOnce();
      running?.changed(subscription);
    },
    learn: (path, log) => running?.learn(path, log),
    async close() {
      stopping.abort();
      await looking;
      await running?.close();
      await started;
    },
  };
}
