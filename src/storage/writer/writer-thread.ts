import { type BackgroundCheckpoint, CHECKPOINT, openBackgroundCheckpoint } from "../background-checkpoint.ts";
import type { Database } from "../database.ts";
import { openEmbedded } from "../embedded.ts";
import { createWriteServer, type Port } from "./thread-writes.ts";
import { type Checkpointer, startCheckpointer } from "./checkpointer.ts";
import { portOf } from "./message-port.ts";
import { systemClock } from "../../core/system-clock.ts";

/*
 * The thread that writes an embedded database; its commits block it. The main thread sends writes as arrays and
 * commands as objects. Other threads are connected by channels of their own.
 */

/** A message of the main thread. */
export type ThreadCommand =
  | { readonly kind: "open"; readonly path: string; readonly writing: Int32Array }
  | { readonly kind: "connect"; readonly channel: MessagePort }
  | { readonly kind: "close" };

/** A message of this thread. */
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

interface Opened {
  readonly database: Database;
  /** Number of writes in flight, which the main thread reads. */
  readonly writing: Int32Array;
  readonly background: BackgroundCheckpoint;
  readonly checkpointer: Checkpointer;
}

let opened: Opened | null = null;

function open(path: string, writing: Int32Array): Opened {
  const database = openEmbedded(path);
  const background = openBackgroundCheckpoint(path);
  const checkpointer = startCheckpointer({
    checkpoint: () => background.run(),
    finish: async () => void (await database.read(CHECKPOINT)),
    clock: systemClock,
    chance: () => Math.random(),
  });
  return { database, writing, background, checkpointer };
}

const server = createWriteServer(async (statements) => {
  if (opened === null) throw new Error("the database is not open");
  const { database, writing, checkpointer } = opened;
  Atomics.add(writing, 0, 1);
  try {
    return await database.write(statements);
  } finally {
    checkpointer.record(statements);
    Atomics.sub(writing, 0, 1);
  }
}, systemClock);

async function obey(command: ThreadCommand): Promise<void> {
  switch (command.kind) {
    case "open":
      opened = open(command.path, command.writing);
      server.serve(port);
      return report({ kind: "opened" });
    case "connect":
      return server.serve(portOf(command.channel));
    case "close":
      await server.settled();
      await opened?.checkpointer.close();
      opened?.background.close();
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
