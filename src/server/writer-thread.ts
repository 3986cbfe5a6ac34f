import type { Limits } from "../core/limits.ts";
import { openDatabase } from "../log/open.ts";
import { type LogNews, openLogWriter } from "../log/writer.ts";
import { type Port, serveWriter } from "../log/writer-port.ts";
import { portOf } from "./message-port.ts";
import { systemClock } from "./system-clock.ts";

/*
 * The thread that writes an embedded database, whose commits block it. It is told to open and to close in
 * objects; texts are the appends of the main thread. Other threads are connected by channels of their own.
 */

/** What the main thread says. */
export type ThreadCommand =
  | { readonly kind: "open"; readonly url: string; readonly limits: Limits }
  | { readonly kind: "connect"; readonly channel: MessagePort }
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

interface Open {
  /** Lets one more thread write. */
  connect(to: Port): void;
  close(): Promise<void>;
}

function open(url: string, limits: Limits): Open {
  const database = openDatabase({ url });
  const told: ((news: LogNews) => void)[] = [];
  const onNews = (news: LogNews) => {
    for (const tell of told) tell(news);
  };
  const writer = openLogWriter({ database, clock: systemClock, limits, onNews });
  return {
    connect(to) {
      told.push(serveWriter(writer, to, systemClock));
    },
    async close() {
      await writer.close();
      database.close();
    },
  };
}

let opened: Open | null = null;

async function obey(command: ThreadCommand): Promise<void> {
  if (command.kind === "open") {
    opened = open(command.url, command.limits);
    opened.connect(port);
    report({ kind: "opened" });
  } else if (command.kind === "connect") {
    opened?.connect(portOf(command.channel));
  } else {
    await opened?.close();
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
