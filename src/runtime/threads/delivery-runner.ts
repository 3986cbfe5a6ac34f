import type { StoreMeasures } from "../../core/measures.ts";
import { newHolderName } from "../../storage/holder-name.ts";
import type { ConnectWriter } from "../../storage/writer/writer-connections.ts";
import type { DeliveryRunEvent } from "../../webhooks/dispatch/delivery-event.ts";
import { hasSubscriptions } from "../../webhooks/subscriptions/has-subscriptions.ts";
import type { DeliveryOptions, RunningDeliveries } from "./deliveries.ts";
import type { DispatcherMessage, DispatcherOptions } from "./dispatcher-thread.ts";
import { startWhenNeeded } from "./start-when-needed.ts";
import { startThreadHost } from "./thread-host.ts";

export interface DeliveringOptions extends Omit<DeliveryOptions, "holder"> {
  readonly measures: StoreMeasures;
  readonly url: string;
  /** Connects a thread to the thread that writes; null: this thread writes, and delivers. */
  readonly connect: ConnectWriter | null;
}

/** Interval between looks for a first subscription of another process, in milliseconds. */
const LOOK_MS = 5_000;

function deliverInThread(options: DeliveringOptions, connect: ConnectWriter): RunningDeliveries {
  const { url, limits, pollIntervalMs, egressAllow, secretKeys, publicLogs, measures, onEvent } = options;
  const thread = startThreadHost<DispatcherOptions, DispatcherMessage, DeliveryRunEvent>({
    name: "delivering",
    spawn: () => new Worker(new URL("./dispatcher-thread.ts", import.meta.url).href),
    connect,
    measures,
    options: { url, limits, pollIntervalMs, holder: newHolderName(), egressAllow, secretKeys, publicLogs },
    onReport: onEvent,
    onFailure: (error) => onEvent({ kind: "failed", subscription: "all", error }),
  });
  return {
    changed: (subscription) => thread.send({ kind: "changed", subscription }),
    notify: (path, log) => thread.send({ kind: "head", path, log }),
    close: () => thread.close(),
  };
}

function deliverHere(options: DeliveringOptions): RunningDeliveries {
  let running: RunningDeliveries | null = null;
  // Loaded only here, so that a server that delivers nothing starts faster.
  const loading = import("./deliveries.ts").then(({ runDeliveries }) => {
    running = runDeliveries({ ...options, holder: newHolderName() });
  });
  return {
    changed: (subscription) => running?.changed(subscription),
    notify: (path, log) => running?.notify(path, log),
    async close() {
      await loading;
      await running?.close();
    },
  };
}

/** Without a key this process has no subscriptions; other processes deliver theirs. */
const NOTHING: RunningDeliveries = { changed: () => {}, notify: () => {}, close: () => Promise.resolve() };

/** Delivers webhooks: in a thread if the database has one that writes. Starts with the first subscription. */
export function startDeliveries(options: DeliveringOptions): RunningDeliveries {
  const { database, connect, secretKeys, onEvent } = options;
  if (secretKeys.length === 0) return NOTHING;
  const deliveries = startWhenNeeded({
    name: "deliver-when-needed",
    hasWork: () => hasSubscriptions(database),
    lookMs: LOOK_MS,
    start: () => (connect === null ? deliverHere(options) : deliverInThread(options, connect)),
    onFailure: (error) => onEvent({ kind: "failed", subscription: "all", error }),
  });
  return {
    changed(subscription) {
      deliveries.start();
      deliveries.running()?.changed(subscription);
    },
    notify: (path, log) => deliveries.running()?.notify(path, log),
    close: () => deliveries.close(),
  };
}
