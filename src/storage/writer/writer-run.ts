import type { ThreadCommand, ThreadReport } from "./writer-thread.ts";
import type { MeasuredSeries } from "../../core/measures.ts";
import type { OnTrouble } from "./writer-trouble.ts";

/** Receives each counter and histogram of the thread when it begins. Returns a function to call when the thread has ended. */
export type OnMeasured = (series: MeasuredSeries) => () => void;

export interface WriterRunOptions {
  readonly path: string;
  readonly program: URL;
  /** Aborts when the thread has to close. */
  readonly signal: AbortSignal;
  /** Called with each answer to a write. */
  readonly onAnswer: (answer: unknown[]) => void;
  /** Called when the thread can write. */
  readonly onOpened: () => void;
  readonly onTrouble: OnTrouble;
  readonly onMeasured: OnMeasured;
}

/** One run of the writer thread. */
export interface WriterRun {
  /** Whether the thread is writing. */
  isWriting(): boolean;
  /** Sends a write. */
  post(write: unknown): void;
  command(command: ThreadCommand, transfer?: Transferable[]): void;
  /** Resolves when the thread has closed. Rejects when it failed. */
  readonly ended: Promise<void>;
}

/** Starts a thread that opens the file and writes it. */
export function startWriterRun({
  path,
  program,
  signal,
  onAnswer,
  onOpened,
  onTrouble,
  onMeasured,
}: WriterRunOptions): WriterRun {
  const worker = new Worker(program.href);
  // The number of writes in flight, which the thread counts.
  const writing = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  const command = (sent: ThreadCommand, transfer: Transferable[] = []) => worker.postMessage(sent, transfer);
  const close = () => command({ kind: "close" });
  signal.addEventListener("abort", close);
  const ends: (() => void)[] = [];
  let isOver = false;
  const end = (settle: () => void) => {
    if (isOver) return;
    isOver = true;
    signal.removeEventListener("abort", close);
    worker.terminate();
    for (const endSeries of ends) endSeries();
    settle();
  };
  const fail = (message: string) => end(() => reject(new Error(message)));
  worker.addEventListener("error", (event) => fail(event.message));
  worker.addEventListener("close", () => fail("it ended"));
  worker.addEventListener("message", ({ data }: MessageEvent<unknown[] | ThreadReport>) => {
    if (isOver) return;
    if (Array.isArray(data)) onAnswer(data);
    else if (data.kind === "opened") onOpened();
    else if (data.kind === "trouble") onTrouble(data.trouble);
    else if (data.kind === "measured") ends.push(onMeasured(data.series));
    else if (data.kind === "failed") fail(data.message);
    else end(resolve);
  });
  command({ kind: "open", path, writing });
  return {
    ended,
    command,
    isWriting: () => Atomics.load(writing, 0) > 0,
    post: (write) => worker.postMessage(write),
  };
}
