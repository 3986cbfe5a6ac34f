import { databaseFile } from "../core/database-url.ts";
import type { Database } from "../log/database.ts";
import { openSecondWriter } from "../log/embedded.ts";
import type { DatabaseLocation } from "../log/open.ts";
import { remoteWrites } from "../log/write-port.ts";
import type { ThreadCommand, ThreadReport } from "./database-thread.ts";
import { loneWrites } from "./lone-writes.ts";
import { systemClock } from "./system-clock.ts";

/** The bundler takes a worker in that is named like this. */
const THREAD_PROGRAM = new URL("./database-thread.ts", import.meta.url);

interface WritingThread {
  readonly write: Database["write"];
  /** Whether it is writing, or has ended. */
  readonly isWriting: () => boolean;
  /** Resolves when the thread can write. */
  open(): Promise<void>;
  connect(): MessagePort;
  close(): Promise<void>;
}

/**
 * Writes a file from a thread of its own: its commits block that thread, and this one goes on. It begins when it is
 * opened, or has something to write. A thread that has failed stays so: whether its last write went through cannot be
 * told, and other threads had channels to it.
 */
function writingThread(path: string, program: URL, onFailure: (error: Error) => void): WritingThread {
  const opened = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  const writing = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  let receive: (message: unknown) => void = () => {};
  let begun: Worker | null = null;
  let over = false;
  const begin = (): Worker => {
    const worker = new Worker(program.href);
    worker.addEventListener("error", (event) => fail(event.message));
    worker.addEventListener("close", () => fail("it ended"));
    worker.addEventListener("message", ({ data }: MessageEvent<unknown[] | ThreadReport>) => {
      if (Array.isArray(data)) receive(data);
      else if (data.kind === "failed") fail(data.message);
      else if (data.kind === "closed") {
        over = true;
        closed.resolve();
      } else opened.resolve();
    });
    worker.postMessage({ kind: "open", path, writing } satisfies ThreadCommand);
    return worker;
  };
  const post = (message: unknown, transfer: Transferable[] = []) => {
    if (over) return;
    begun ??= begin();
    begun.postMessage(message, transfer);
  };
  const { write, fail: failWrites } = remoteWrites({
    post,
    listen(receiver) {
      receive = receiver;
    },
  });
  const fail = (message: string) => {
    if (over) return;
    over = true;
    const error = new Error(`The thread that writes the database failed: ${message}`);
    opened.reject(error);
    closed.reject(error);
    failWrites(error);
    onFailure(error);
    begun?.terminate();
  };
  closed.promise.catch(() => {});
  opened.promise.catch(() => {});
  const open = async () => {
    // Who asks already is answered first: beginning takes time from this thread.
    await systemClock.sleep(1);
    if (!over) begun ??= begin();
    return opened.promise;
  };
  const close = async () => {
    if (begun === null) {
      over = true;
      return;
    }
    post({ kind: "close" } satisfies ThreadCommand);
    // What it failed with was told.
    await closed.promise.catch(() => {});
    begun.terminate();
  };
  const connect = () => {
    const { port1, port2 } = new MessageChannel();
    post({ kind: "connect", channel: port1 } satisfies ThreadCommand, [port1]);
    return port2;
  };
  return {
    write,
    isWriting: () => over || Atomics.load(writing, 0) > 0,
    open,
    connect,
    close,
  };
}

/** A database as a server uses it. */
export interface ServerDatabase {
  /** May be used at once; what it is given to write opens it. */
  readonly database: Database;
  /** Resolves when it can be written. */
  open(): Promise<void>;
  /** Gives a channel by which another thread may write as well; null where none is needed. */
  readonly connect: (() => MessagePort) | null;
  close(): Promise<void>;
}

export interface ThreadOptions {
  /** The program of the thread; null: this thread writes. Default: the one beside this file. */
  readonly program?: URL | null | undefined;
  /** Told that the thread has failed, and nothing can be written any more. */
  readonly onFailure: (error: Error) => void;
}

/**
 * Gives a database that was opened in this thread a thread to write from, if that suits it: one in memory has one
 * connection, and one on a server never blocks, so that neither gains by it. Without a program for the thread
 * this one writes.
 */
export function writeFromThread(
  database: Database,
  { url }: DatabaseLocation,
  { program = THREAD_PROGRAM, onFailure }: ThreadOptions,
): ServerDatabase {
  const path = databaseFile(url);
  if (path === null || program === null) {
    return {
      database,
      open: () => Promise.resolve(),
      connect: null,
      close: () => Promise.resolve(database.close()),
    };
  }
  const thread = writingThread(path, program, onFailure);
  const { write, isWriting } = thread;
  const lone = loneWrites({
    open: () => openSecondWriter(path),
    write,
    isWriting,
    now: () => systemClock.monotonic(),
  });
  return {
    database: { ...database, ordered: true, write, writeAlone: lone.write },
    open: () => thread.open(),
    connect: () => thread.connect(),
    async close() {
      await thread.close();
      lone.close();
      database.close();
    },
  };
}
