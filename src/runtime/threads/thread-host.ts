import type { StoreMeasures } from "../../core/measures.ts";
import type { Job } from "../../jobs/job.ts";
import { type ConnectWriter, transferOf } from "../../storage/writer/writer-connections.ts";
import { startServerLoop } from "../server-loop.ts";
import type { HostCommand, HostedReport } from "./thread-protocol.ts";

/** Delay before a failed thread restarts, in milliseconds. */
const RESTART = { firstMs: 1_000, lastMs: 1_000 };

export interface ThreadHostOptions<Options, Report> {
  /** The work of the thread, for its errors: "projecting". */
  readonly name: string;
  /** Starts the program. The bundler includes a program whose `Worker` and URL one expression of the caller creates. */
  readonly spawn: () => Worker;
  /** Connects the thread to the thread that writes. */
  readonly connect: ConnectWriter;
  readonly options: Options;
  readonly measures: StoreMeasures;
  readonly onReport: (report: Report) => void;
  /** Called each time that the thread failed; it then restarts. */
  readonly onFailure: (error: unknown) => void;
}

/** A thread that runs until it is closed. */
export interface ThreadHost<Message> {
  /** Sends a message; drops it while the thread restarts. */
  send(message: Message): void;
  /** Resolves when the thread has ended its work. */
  close(): Promise<void>;
}

/** Runs a program in a thread of its own, so that neither requests nor appends wait for its work. */
export function startThreadHost<Options, Message, Report>({
  name,
  spawn,
  connect,
  options,
  measures,
  onReport,
  onFailure,
}: ThreadHostOptions<Options, Report>): ThreadHost<Message> {
  let send: (message: Message) => void = () => {};

  /** Runs the thread once. Resolves when it was closed; rejects when it failed. */
  const run = async (signal: AbortSignal): Promise<void> => {
    const worker = spawn();
    const post = (command: HostCommand<Options, Message>, transfer: Transferable[] = []) =>
      worker.postMessage(command, transfer);
    const writing = connect((change) => post({ kind: "writer", change }, transferOf(change)));
    const ends: (() => void)[] = [];
    const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
    const fail = (message: string) => reject(new Error(`The ${name} thread failed: ${message}`));
    worker.addEventListener("error", (event) => fail(event.message));
    worker.addEventListener("close", () => fail("it ended"));
    worker.addEventListener("message", ({ data }: MessageEvent<HostedReport<Report>>) => {
      if (data.kind === "report") onReport(data.report);
      else if (data.kind === "measured") ends.push(measures.include(data.series));
      else if (data.kind === "failed") fail(data.message);
      else resolve();
    });
    const { channel } = writing;
    post({ kind: "open", options, writing: channel }, [channel]);
    const close = () => post({ kind: "close" });
    signal.addEventListener("abort", close);
    send = (message) => post({ kind: "message", message });
    try {
      await ended;
    } finally {
      send = () => {};
      signal.removeEventListener("abort", close);
      writing.disconnect();
      worker.terminate();
      for (const end of ends) end();
    }
  };

  const job: Job = {
    name,
    async run({ signal }) {
      await run(signal);
      return "over";
    },
  };
  const loop = startServerLoop(job, RESTART, onFailure);
  return { send: (message) => send(message), close: () => loop.close() };
}
