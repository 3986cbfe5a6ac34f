import type { LogState } from "../../log/log-state.ts";
import type { DeliveryRunEvent } from "../../webhooks/dispatch/delivery-event.ts";
import { type DeliveryOptions, runDeliveries } from "./deliveries.ts";
import { runThreadProgram } from "./thread-program.ts";
import { transferableEvent } from "./transferable-event.ts";

/*
 * The thread that delivers webhooks from an embedded database.
 */

export interface DispatcherOptions extends Omit<
  DeliveryOptions,
  "database" | "writer" | "measures" | "heads" | "onEvent"
> {
  readonly url: string;
}

export type DispatcherMessage =
  /** The head of a log has moved. */
  | { readonly kind: "head"; readonly path: string; readonly log: LogState }
  | { readonly kind: "changed"; readonly subscription: string };

/** The thread reads recent events, and some older ones, which the operating system keeps in memory too. */
const CACHE_KIB = 4 * 1024;

runThreadProgram<DispatcherOptions, DispatcherMessage, DeliveryRunEvent>({
  cacheKib: CACHE_KIB,
  onSweep: () => {},
  open(options, storage, report) {
    const deliveries = runDeliveries({
      ...options,
      ...storage,
      onEvent: (event) => report(transferableEvent(event)),
    });
    return {
      receive(message) {
        if (message.kind === "head") deliveries.notify(message.path, message.log);
        else deliveries.changed(message.subscription);
      },
      close: () => deliveries.close(),
    };
  },
});
