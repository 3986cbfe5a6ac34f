import type { Limits } from "../core/limits.ts";
import type { Database } from "../log/database.ts";
import { type LogNews, type LogWriter, openLogWriter } from "../log/writer.ts";
import { remoteWriter } from "../log/writer-port.ts";
import { systemClock } from "./system-clock.ts";
import type { ThreadCommand, ThreadReport } from "./writer-thread.ts";

export interface WritingOptions {
  readonly url: string;
  readonly database: Database;
  readonly limits: Limits;
  readonly onNews: (news: LogNews) => void;
}

/**
 * Writes a file from a thread of its own: its commits block that thread, while this one parses the appends that
 * will share the next.
 */
function writeFromThread({ url, limits, onNews }: WritingOptions): Writing {
  // The bundler takes a worker in that is named like this.
  const worker = new Worker(new URL("./writer-thread.ts", import.meta.url).href);
  const tell = (command: ThreadCommand, transfer: Transferable[] = []) =>
    worker.postMessage(command, transfer);
  let receive: (message: string) => void = () => {};
  const writer = remoteWriter(
    {
      post: (message) => worker.postMessage(message),
      listen(receiver) {
        receive = receiver;
      },
    },
    systemClock,
    onNews,
  );
  const opened = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  const fail = (message: string) => {
    const error = new Error(`The writing thread failed: ${message}`);
    opened.reject(error);
    closed.reject(error);
    worker.terminate();
  };
  closed.promise.catch(() => {});
  worker.addEventListener("error", (event) => fail(event.message));
  worker.addEventListener("message", ({ data }: MessageEvent<string | ThreadReport>) => {
    if (typeof data === "string") receive(data);
    else if (data.kind === "failed") fail(data.message);
    else if (data.kind === "closed") closed.resolve();
    else opened.resolve();
  });
  tell({ kind: "open", url, limits });
  const close = async () => {
    tell({ kind: "close" });
    await closed.promise;
    worker.terminate();
  };
  const connect = () => {
    const { port1, port2 } = new MessageChannel();
    tell({ kind: "connect", channel: port1 }, [port1]);
    return port2;
  };
  return { writer: { ...writer, close }, opened: opened.promise, connect };
}

/** A writer that may be used at once; what it is given waits until it is open. */
export interface Writing {
  readonly writer: LogWriter;
  readonly opened: Promise<void>;
  /** Gives a channel by which another thread may write too; null: the writer is in this thread. */
  readonly connect: (() => MessagePort) | null;
}

/**
 * A writer of the event log as suits the database: one in memory has one connection, and one on a server never
 * blocks, so that neither gains by a thread.
 */
export function startWriting(options: WritingOptions): Writing {
  if (options.url.startsWith("file:")) return writeFromThread(options);
  return {
    writer: openLogWriter({ ...options, clock: systemClock }),
    opened: Promise.resolve(),
    connect: null,
  };
}
