import type { DeliveryRunEvent } from "../../webhooks/dispatch/run.ts";
import { openDatabase } from "../../storage/open.ts";
import type { LogState } from "../../log/log-state.ts";
import { type BatchWriter, writeBatch } from "../../storage/batch-writer.ts";
import { type RunningDeliveries, runDeliveries, type DeliveryOptions } from "./deliveries.ts";
import { systemClock } from "../../core/system-clock.ts";
import { openWriterChannel, type WriterChannel } from "../../storage/writer/writer-channel.ts";
import type { WriterChange } from "../../storage/writer/writer-thread-host.ts";

/*
 * The thread that delivers webhooks from an embedded database: it reads with a connection of its own, and writes
 * through the thread that has the writer.
 */

export interface OpenDispatcher extends Omit<DeliveryOptions, "database" | "writer" | "onEvent"> {
  readonly kind: "open";
  readonly url: string;
  /** A channel to the thread that writes. */
  readonly writing: MessagePort;
}

/** What the main thread says. */
export type DispatcherCommand =
  | OpenDispatcher
  | { readonly kind: "news"; readonly path: string; readonly log: LogState }
  | { readonly kind: "changed"; readonly subscription: string }
  | { readonly kind: "writer"; readonly change: WriterChange }
  | { readonly kind: "close" };

/** What this thread says. An error travels as its text. */
export type DispatcherReport =
  | { readonly kind: "closed" }
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "event"; readonly event: DeliveryRunEvent };

/** It reads what was appended last, and events here and there, which the operating system has in memory too. */
const CACHE_KIB = 4 * 1024;

declare const self: Worker;

const report = (message: DispatcherReport) => self.postMessage(message);

function reportable(event: DeliveryRunEvent): DeliveryRunEvent {
  return event.kind === "failed" ? { ...event, error: String(event.error) } : event;
}

let opened: RunningDeliveries | null = null;
let writing: WriterChannel | null = null;
let closeDatabase = () => {};

function open({ url, writing: channel, ...options }: OpenDispatcher): void {
  writing = openWriterChannel(channel);
  const database = { ...openDatabase({ url, cacheKib: CACHE_KIB }), ordered: true, write: writing.write };
  const writer: BatchWriter = {
    write: (statements) => writeBatch(database, systemClock, statements),
    sweep: () => {},
  };
  closeDatabase = () => database.close();
  opened = runDeliveries({
    ...options,
    database,
    writer,
    onEvent: (event) => report({ kind: "event", event: reportable(event) }),
  });
}

async function obey(command: DispatcherCommand): Promise<void> {
  switch (command.kind) {
    case "open":
      return open(command);
    case "news":
      return opened?.learn(command.path, command.log);
    case "changed":
      return opened?.changed(command.subscription);
    case "writer":
      return writing?.changed(command.change);
    case "close":
      await opened?.close();
      closeDatabase();
      report({ kind: "closed" });
  }
}

self.addEventListener("message", ({ data }: MessageEvent<DispatcherCommand>) => {
  obey(data).catch((error: unknown) => {
    report({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
  });
});
