import { createDeadlines, type Deadlines } from "../../core/deadlines.ts";
import { errorText } from "../../core/error-text.ts";
import { systemClock } from "../../core/system-clock.ts";
import type { Job } from "../../jobs/job.ts";
import { type RunningJob, startLoop } from "../../jobs/loop.ts";
import type { Database } from "../database.ts";
import { createThreadWrites, type Port, THREAD_DEADLINE_MS, type ThreadWrites } from "./thread-writes.ts";
import { type ConnectWriter, createWriterConnections, type WriterConnections } from "./writer-connections.ts";
import { type OnMeasured, startWriterRun, type WriterRun } from "./writer-run.ts";
import { createTroubleReports, type OnTrouble } from "./writer-trouble.ts";

/** Delay before a failed thread restarts. A thread that has run for `stableMs` restarts after the first delay again. */
const RESTART = { firstMs: 100, lastMs: 30_000, stableMs: 60_000 };

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
  readonly onFailure: (error: unknown, restartMs: number | null) => void;
  /** The thread has restarted, and can write. */
  readonly onRestart: () => void;
  /** Called once for each kind of work that failed in the thread. */
  readonly onTrouble: OnTrouble;
  readonly onMeasured: OnMeasured;
}

/** `new`: not started; `opening`: first start; `down`: failed, and restarting or about to. */
type State = "new" | "opening" | "up" | "down" | "closed";

/** The thread, as the thread that hosts it knows it. */
interface HostedThread {
  state: State;
  /** Null: the thread does not run. */
  run: WriterRun | null;
  /** Receives the answers to writes. */
  readonly receive: (answer: unknown) => void;
  readonly port: Port;
  readonly deadlines: Deadlines;
  readonly writes: ThreadWrites;
  readonly connections: WriterConnections;
  readonly opened: PromiseWithResolvers<void>;
}

function becomeUp(thread: HostedThread, onRestart: () => void): void {
  const wasDown = thread.state === "down";
  thread.state = "up";
  thread.opened.resolve();
  if (!wasDown) return;
  thread.writes.reconnect(thread.port);
  thread.connections.find();
  onRestart();
}

function becomeDown(thread: HostedThread, error: Error): void {
  thread.state = "down";
  thread.writes.fail(error);
  thread.connections.lose(error.message);
}

function end(
  thread: HostedThread,
  error = new Error("The thread that writes the database was closed"),
): void {
  thread.state = "closed";
  thread.deadlines.close();
  thread.writes.fail(error);
}

/** Keeps the thread running. It does not restart when it cannot open the file at its first start. */
function createWriterJob(options: WritingThreadOptions, thread: HostedThread): Job {
  const onTrouble = createTroubleReports(options.onTrouble);
  return {
    name: "write",
    async run({ signal }) {
      thread.run = startWriterRun({
        ...options,
        signal,
        onAnswer: (answer) => thread.receive(answer),
        onOpened: () => becomeUp(thread, options.onRestart),
        onTrouble,
      });
      try {
        await thread.run.ended;
        end(thread);
      } catch (cause) {
        const mayRestart = thread.state !== "opening" && !signal.aborted;
        // The cause may quote lines of the program, which belong in the log and not in an answer.
        const error = new Error("The thread that writes the database failed", { cause });
        becomeDown(thread, error);
        if (mayRestart) throw error;
        thread.opened.reject(new Error(`${error.message}: ${errorText(cause)}`));
        end(thread, error);
        options.onFailure(error, null);
      } finally {
        thread.run = null;
      }
      return "over";
    },
  };
}

/**
 * Writes a file from a thread of its own, whose commits block that thread alone. The thread starts on `open`, or on the
 * first write. When it fails, pending writes are rejected, as are new ones until it is up again. Nothing is retried:
 * whether its last write committed is unknown.
 */
export function startWritingThread(options: WritingThreadOptions): WritingThread {
  let loop: RunningJob | null = null;
  let receive: HostedThread["receive"] = () => {};
  const port: Port = {
    post(message) {
      start();
      thread.run?.post(message);
    },
    listen(receiver) {
      receive = receiver;
    },
  };
  const deadlines = createDeadlines(systemClock, THREAD_DEADLINE_MS);
  const thread: HostedThread = {
    state: "new",
    run: null,
    receive: (answer) => receive(answer),
    port,
    deadlines,
    writes: createThreadWrites(port, deadlines),
    connections: createWriterConnections((command, transfer) => thread.run?.command(command, transfer)),
    opened: Promise.withResolvers(),
  };
  thread.opened.promise.catch(() => {});

  const start = () => {
    if (thread.state !== "new") return;
    thread.state = "opening";
    loop = startLoop(createWriterJob(options, thread), {
      clock: systemClock,
      chance: () => Math.random(),
      backoff: RESTART,
      onFailure: (error, { retryMs }) => options.onFailure(error, retryMs),
    });
  };

  return {
    write: thread.writes.write,
    isWriting: () =>
      thread.state === "down" || thread.state === "closed" || (thread.run?.isWriting() ?? false),
    async open() {
      // Starting takes time from this thread, so queued requests are answered first.
      await systemClock.sleep(1);
      start();
      return thread.opened.promise;
    },
    connect(onChange) {
      const connection = thread.connections.connect(onChange);
      start();
      if (thread.state === "opening" || thread.state === "up") thread.connections.find();
      return connection;
    },
    async close() {
      await loop?.close();
      if (thread.state !== "closed") end(thread);
    },
  };
}
