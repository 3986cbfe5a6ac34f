import { createDeadlines } from "../../core/deadlines.ts";
import type { Database } from "../database.ts";
import { type Port, createThreadWrites, THREAD_DEADLINE_MS } from "./thread-writes.ts";
import type { ThreadCommand, ThreadReport } from "./writer-thread.ts";
import { systemClock } from "../../core/system-clock.ts";

/** Delay before a failed thread restarts; it doubles each time that the thread fails again soon. */
const RESTART_MS = 100;
const LONGEST_RESTART_MS = 30_000;

/** A thread that has run for this long counts as stable: its next failure starts at the first delay. */
const PROVED_MS = 60_000;

/** A change of the writer thread, for a thread that is connected to it. */
export type WriterChange =
  /** The thread failed: the writes that were sent to it stay unanswered. */
  | { readonly kind: "lost"; readonly message: string }
  /** The thread has restarted, and is reached through this channel. */
  | { readonly kind: "found"; readonly channel: MessagePort };

/** The objects to transfer to another thread with a change. */
export function transferOf(change: WriterChange): Transferable[] {
  return change.kind === "found" ? [change.channel] : [];
}

/** The connection of another thread to the writer thread. */
export interface WriterConnection {
  /** Transfer it to the other thread. */
  readonly channel: MessagePort;
  disconnect(): void;
}

/** Connects another thread, and notifies it of each change of the writer thread. */
export type ConnectWriter = (onChange: (change: WriterChange) => void) => WriterConnection;

export interface WritingThread {
  readonly write: Database["write"];
  /** Whether the thread is writing, or is unavailable. */
  readonly isWriting: () => boolean;
  /** Resolves when the thread can write. Rejects when it fails before its first write; then it does not restart. */
  open(): Promise<void>;
  readonly connect: ConnectWriter;
  close(): Promise<void>;
}

export interface WritingThreadOptions {
  readonly path: string;
  readonly program: URL;
  /** The thread failed. `restartMs`: when it restarts, in milliseconds; null: it does not. */
  readonly onFailure: (error: Error, restartMs: number | null) => void;
  /** The thread has restarted, and can write. */
  readonly onRestart: () => void;
}

interface Connected {
  /** The end of its channel that the writer thread has yet to receive. */
  waiting: MessagePort | null;
  readonly onChange: (change: WriterChange) => void;
}

/** One run of the thread. */
interface Run {
  readonly worker: Worker;
  /** Number of writes in flight, as the thread counts them. */
  readonly writing: Int32Array;
  readonly beganMs: number;
}

/** `new`: not started; `opening`: first start; `down`: failed, and restarting or about to. */
type State = "new" | "opening" | "up" | "down" | "closed";

/**
 * Writes a file from a thread of its own, whose commits block that thread alone. The thread starts on `open`, or on the
 * first write. When it fails, pending writes are rejected, as are new ones until it is up again. Nothing is retried:
 * whether its last write committed is unknown.
 */
export function startWritingThread({
  path,
  program,
  onFailure,
  onRestart,
}: WritingThreadOptions): WritingThread {
  const opened = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  const closing = new AbortController();
  const deadlines = createDeadlines(systemClock, THREAD_DEADLINE_MS);
  const connections = new Set<Connected>();
  let state: State = "new";
  let run: Run | null = null;
  let restartMs = RESTART_MS;
  let receive: (message: unknown) => void = () => {};
  opened.promise.catch(() => {});

  const send = (command: ThreadCommand, transfer: Transferable[] = []) =>
    run?.worker.postMessage(command, transfer);

  const begin = () => {
    const worker = new Worker(program.href);
    const writing = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
    const begun: Run = { worker, writing, beganMs: systemClock.monotonic() };
    run = begun;
    const failed = (message: string) => {
      if (run === begun) fail(message);
    };
    worker.addEventListener("error", (event) => failed(event.message));
    worker.addEventListener("close", () => failed("it ended"));
    worker.addEventListener("message", ({ data }: MessageEvent<unknown[] | ThreadReport>) => {
      if (run !== begun) return;
      if (Array.isArray(data)) receive(data);
      else if (data.kind === "opened") becomeUp();
      else if (data.kind === "failed") fail(data.message);
      else end();
    });
    worker.postMessage({ kind: "open", path, writing } satisfies ThreadCommand);
  };

  const beginFirst = () => {
    if (state !== "new") return;
    state = "opening";
    begin();
  };

  const port: Port = {
    post(message) {
      beginFirst();
      run?.worker.postMessage(message);
    },
    listen(receiver) {
      receive = receiver;
    },
  };
  const writes = createThreadWrites(port, deadlines);

  const connectTo = (connected: Connected) => {
    const { waiting } = connected;
    if (waiting !== null) {
      connected.waiting = null;
      send({ kind: "connect", channel: waiting }, [waiting]);
      return;
    }
    const { port1, port2 } = new MessageChannel();
    send({ kind: "connect", channel: port1 }, [port1]);
    connected.onChange({ kind: "found", channel: port2 });
  };

  const becomeUp = () => {
    const wasDown = state === "down";
    state = "up";
    opened.resolve();
    if (!wasDown) return;
    writes.reconnect(port);
    for (const connected of connections) connectTo(connected);
    onRestart();
  };

  const end = (error = new Error("The thread that writes the database was closed")) => {
    state = "closed";
    run?.worker.terminate();
    run = null;
    closing.abort();
    deadlines.close();
    writes.fail(error);
    closed.resolve();
  };

  const fail = (message: string) => {
    const failed = run;
    const wasOpening = state === "opening";
    // The message may contain lines of the program, which belong in the log and not in an answer.
    const error = new Error("The thread that writes the database failed", { cause: new Error(message) });
    state = "down";
    run = null;
    failed?.worker.terminate();
    writes.fail(error);
    for (const { waiting, onChange } of connections) {
      if (waiting === null) onChange({ kind: "lost", message: error.message });
    }
    if (closing.signal.aborted || wasOpening) {
      opened.reject(new Error(`${error.message}: ${message}`));
      end(error);
      onFailure(error, null);
      return;
    }
    const ranMs = systemClock.monotonic() - (failed?.beganMs ?? 0);
    restartMs = ranMs >= PROVED_MS ? RESTART_MS : restartMs;
    onFailure(error, restartMs);
    void systemClock.sleep(restartMs, closing.signal).then(() => {
      if (!closing.signal.aborted) begin();
    });
    restartMs = Math.min(LONGEST_RESTART_MS, restartMs * 2);
  };

  return {
    write: writes.write,
    isWriting: () =>
      state === "down" || state === "closed" || (run !== null && Atomics.load(run.writing, 0) > 0),
    async open() {
      // Starting takes time from this thread, so queued requests are answered first.
      await systemClock.sleep(1);
      beginFirst();
      return opened.promise;
    },
    connect(onChange) {
      const { port1, port2 } = new MessageChannel();
      const connected: Connected = { waiting: port1, onChange };
      connections.add(connected);
      beginFirst();
      if (state === "opening" || state === "up") connectTo(connected);
      return { channel: port2, disconnect: () => void connections.delete(connected) };
    },
    async close() {
      closing.abort();
      if (run === null) {
        if (state !== "closed") end();
        return;
      }
      send({ kind: "close" });
      await closed.promise;
    },
  };
}
