import { openDatabase } from "../log/open.ts";
import { type Port, serveWrites } from "../log/write-port.ts";

/*
 * The thread that writes an embedded database, whose commits block it. What is said to it in arrays are the
 * writes; commands are objects.
 */

/** What the main thread says. */
export type ThreadCommand = { readonly kind: "open"; readonly url: string } | { readonly kind: "close" };

/** What this thread says. */
export type ThreadReport =
  | { readonly kind: "opened" }
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "closed" };

declare const self: Worker;

let receive: (message: unknown) => void = () => {};
let close: () => void = () => {};
const port: Port = {
  post: (message) => self.postMessage(message),
  listen(receiver) {
    receive = receiver;
  },
};

const report = (message: ThreadReport) => self.postMessage(message);

function obey(command: ThreadCommand): void {
  if (command.kind === "open") {
    const database = openDatabase({ url: command.url });
    serveWrites((statements) => database.write(statements), port);
    close = () => database.close();
    report({ kind: "opened" });
  } else {
    close();
    report({ kind: "closed" });
  }
}

self.addEventListener("message", ({ data }: MessageEvent<unknown[] | ThreadCommand>) => {
  if (Array.isArray(data)) {
    receive(data);
    return;
  }
  try {
    obey(data);
  } catch (error) {
    report({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
  }
});
