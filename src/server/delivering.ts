import type { DeliveringHere, DeliveryOptions } from "./deliver.ts";
import type { DispatcherCommand, DispatcherReport } from "./dispatcher-thread.ts";
import { systemClock } from "./system-clock.ts";

export interface DeliveringOptions extends Omit<DeliveryOptions, "holder"> {
  readonly url: string;
  /** Gives a channel to the thread that writes; null: this thread writes. */
  readonly connect: (() => MessagePort) | null;
}

/** How long after it failed the thread is started anew. */
const RESTART_MS = 1_000;

/** How often it is looked whether another process has made the first subscription. */
const FIRST_LOOK_MS = 5_000;

interface Thread extends DeliveringOptions {
  readonly connect: () => MessagePort;
  readonly holder: string;
}

/** Delivers in a thread of its own, so that requests and appends do not wait for deliveries. */
function startThread(options: Thread, onFailed: () => void): DeliveringHere {
  const { url, limits, pollIntervalMs, holder, egressAllow, secretKeys, connect, onEvent } = options;
  // The bundler takes a worker in that is named like this.
  const worker = new Worker(new URL("./dispatcher-thread.ts", import.meta.url).href);
  const tell = (command: DispatcherCommand, transfer: Transferable[] = []) =>
    worker.postMessage(command, transfer);
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const fail = (message: string) => {
    worker.terminate();
    const error = new Error(`The delivering thread failed: ${message}`);
    onEvent({ kind: "failed", subscription: "all", error });
    resolve();
    onFailed();
  };
  worker.addEventListener("error", (event) => fail(event.message));
  worker.addEventListener("message", ({ data }: MessageEvent<DispatcherReport>) => {
    if (data.kind === "event") onEvent(data.event);
    else if (data.kind === "failed") fail(data.message);
    else {
      worker.terminate();
      resolve();
    }
  });
  const writing = connect();
  tell({ kind: "open", url, limits, pollIntervalMs, holder, egressAllow, secretKeys, writing }, [writing]);
  return {
    changed: (subscription) => tell({ kind: "changed", subscription }),
    learn: (path, head) => tell({ kind: "news", path, head }),
    close() {
      tell({ kind: "close" });
      return ended;
    },
  };
}

async function hasSubscriptions({ database }: DeliveringOptions): Promise<boolean> {
  return (await database.read({ sql: "select 1 from subscriptions limit 1", args: [] })).length > 0;
}

/** Without a key there can be no subscription; those of another process it has to deliver. */
const NOTHING: DeliveringHere = { changed: () => {}, learn: () => {}, close: () => Promise.resolve() };

/** Delivers webhooks as suits the database. Nothing is started before there is a subscription. */
export function startDelivering(options: DeliveringOptions): DeliveringHere {
  const { connect, secretKeys } = options;
  if (secretKeys.length === 0) return NOTHING;
  const holder = crypto.randomUUID();
  const stopping = new AbortController();
  let running: DeliveringHere | null = null;
  let starting: Promise<void> | null = null;

  const open = async (): Promise<DeliveringHere> => {
    if (connect !== null) return startThread({ ...options, connect, holder }, restart);
    // Loaded only here: who delivers nothing need not wait for it at each start.
    const { deliverHere } = await import("./deliver.ts");
    return deliverHere({ ...options, holder });
  };

  const start = async () => {
    const opened = await open();
    if (stopping.signal.aborted) await opened.close();
    else running = opened;
  };

  const restart = () => {
    running = null;
    starting = systemClock
      .sleep(RESTART_MS, stopping.signal)
      .then(() => (stopping.signal.aborted ? undefined : start()));
  };

  const startOnce = () => {
    starting ??= start();
    return starting;
  };

  const look = async () => {
    while (!stopping.signal.aborted && starting === null) {
      const found = await hasSubscriptions(options).catch(() => false);
      if (found) await startOnce();
      else await systemClock.sleep(FIRST_LOOK_MS, stopping.signal);
    }
  };
  const looking = look();

  return {
    changed(subscription) {
      void startOnce().then(() => running?.changed(subscription));
    },
    learn: (path, head) => running?.learn(path, head),
    async close() {
      stopping.abort();
      await looking;
      await starting;
      await running?.close();
    },
  };
}
