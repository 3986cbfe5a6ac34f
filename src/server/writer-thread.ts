import type { Limits } from "../core/limits.ts";
import { openDatabase } from "../log/open.ts";
import { openLogWriter } from "../log/writer.ts";
import { type Port, serveWriter } from "../log/writer-port.ts";
import { systemClock } from "./system-clock.ts";

/*
 * The thread that writes an embedded database, whose commits block it. It is told to open and to close in
 * objects; texts are the appends of the main thread.
 */

/** What the main thread says. */
export type ThreadCommand =
  | { readonly kind: "open"; readonly url: string; readonly limits: Limits }
  | { readonly kind: "close" };

/** What this thread says. */
export type ThreadReport =
  | { readonly kind: "opened" }
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "closed" };

declare const self: Worker;

let receive: (message: string) => void = () => {};
const port: Port = {
  post: (message) => self.postMessage(message),
  listen(receiver) {
    receive = receiver;
  },
};

const report = (message: ThreadReport) => self.postMessage(message);

function open(url: string, limits: Limits): () => Promise<void> {
  const database = openDatabase({ url });
  const writer = openLogWriter({ database, clock: systemClock, limits, onNews: (news) => tell(news) });
  const tell = serveWriter(writer, port, systemClock);
  return async () => {
    await writer.close();
    database.close();
  };
}

let close: () => Promise<void> = () => Promise.resolve();

async function obey(command: ThreadCommand): Promise<void> {
  if (command.kind === "open") {
    close = open(command.url, command.limits);
    report({ kind: "opened" });
  } else {
    await close();
    report({ kind: "closed" });
  }
}

self.addEventListener("message", ({ data }: MessageEvent<string | ThreadCommand>) => {
  if (typeof data === "string") {
    receive(data);
    return;
  }
  obey(data).catch((error: unknown) => {
    report({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
  });
});
