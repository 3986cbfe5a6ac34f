import type { Database } from "../log/database.ts";
import { openDatabase } from "../log/open.ts";
import { createWriteServer, type Port } from "../log/write-port.ts";
import { portOf } from "./message-port.ts";
import { systemClock } from "./system-clock.ts";

/*
 * The thread that writes an embedded database, whose commits block it. What is said to it in arrays are the
 * writes; commands are objects. Other threads are connected by channels of their own.
 */

/** What the main thread says. */
export type ThreadCommand =
  | { readonly kind: "open"; readonly url: string; readonly writing: Int32Array }
  | { readonly kind: "connect"; readonly channel: MessagePort }
  | { readonly kind: "close" };

/** What this thread says. */
export type ThreadReport =
  | { readonly kind: "opened" }
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "closed" };

declare const self: Worker;

let receive: (message: unknown) => void = () => {};
const port: Port = {
  post: (message) => self.postMessage(message),
  listen(receiver) {
    receive = receiver;
  },
};

const report = (message: ThreadReport) => self.postMessage(message);

/** `writing`: how many writes are under way, for the main thread to look at. */
let opened: { readonly database: Database; readonly writing: Int32Array } | null = null;

const server = createWriteServer(async (statements) => {
  if (opened === null) throw new Error("the database is not open");
  const { database, writing } = opened;
  Atomics.add(writing, 0, 1);
  try {
    return await database.write(statements);
  } finally {
    Atomics.sub(writing, 0, 1);
  }
}, systemClock);

async function obey(command: ThreadCommand): Promise<void> {
  switch (command.kind) {
    case "open":
      opened = { database: openDatabase({ url: command.url }), writing: command.writing };
      server.serve(port);
      return report({ kind: "opened" });
    case "connect":
      return server.serve(portOf(command.channel));
    case "close":
      await server.settled();
      opened?.database.close();
      return report({ kind: "closed" });
  }
}

self.addEventListener("message", ({ data }: MessageEvent<unknown[] | ThreadCommand>) => {
  if (Array.isArray(data)) {
    receive(data);
    return;
  }
  obey(data).catch((error: unknown) => {
    report({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
  });
});
