import { createSharedMeasures, type Measures } from "../../core/measures.ts";
import { systemClock } from "../../core/system-clock.ts";
import { type BatchWriter, writeBatch } from "../../storage/batch-writer.ts";
import type { Database } from "../../storage/database.ts";
import { openDatabase } from "../../storage/open.ts";
import { openWriterChannel, type WriterChannel } from "../../storage/writer/writer-channel.ts";
import { startTracing, type Tracing } from "../tracing/start-tracing.ts";
import type { HostCommand, HostedReport } from "./thread-protocol.ts";

/** The work of a thread, until the host closes it. */
export interface ThreadWork<Message> {
  receive(message: Message): void;
  /** Resolves when the work in progress is stored. */
  close(): Promise<void>;
}

/** An embedded database as a thread uses it: the thread reads by its own connection, and writes by the thread that writes. */
export interface ThreadStorage {
  readonly database: Database;
  readonly writer: BatchWriter;
  readonly measures: Measures;
}

export interface ThreadProgram<Options, Message, Report> {
  /** Memory for the pages that the connection reads, in KiB. Default: as for any connection. */
  readonly cacheKib?: number;
  /** Whether the writes of one turn are sent together, and none rests on another. Default: no. */
  readonly writesTogether?: boolean;
  /** Starts the work. */
  open(
    options: Options,
    storage: ThreadStorage,
    report: (report: Report) => void,
  ): ThreadWork<Message> | Promise<ThreadWork<Message>>;
  /** Called when a batch has erased events, which the main thread sweeps. */
  onSweep(report: (report: Report) => void): void;
}

declare const self: Worker;

/** Runs a program as its host commands; see `thread-host.ts`. */
export function runThreadProgram<Options extends { readonly url: string }, Message, Report>(
  program: ThreadProgram<Options, Message, Report>,
): void {
  const { cacheKib } = program;
  const post = (message: HostedReport<Report>) => self.postMessage(message);
  const report = (own: Report) => post({ kind: "report", report: own });
  const measures = createSharedMeasures((series) => post({ kind: "measured", series }));
  let work: ThreadWork<Message> | null = null;
  let writing: WriterChannel | null = null;
  let tracing: Tracing | null = null;
  let closeDatabase = () => {};

  const open = async (options: Options, channel: MessagePort) => {
    const { writesTogether = false } = program;
    // Another thread of the process reports why exports fail.
    tracing = await startTracing(process.env);
    const { write } = (writing = openWriterChannel(channel, writesTogether));
    const own = openDatabase({ url: options.url, ...(cacheKib === undefined ? {} : { cacheKib }) });
    closeDatabase = () => own.close();
    const database = { ...own, ordered: !writesTogether, write };
    const writer: BatchWriter = {
      write: (statements) => writeBatch(database, systemClock, statements),
      sweep: () => program.onSweep(report),
    };
    work = await program.open(options, { database, writer, measures }, report);
  };

  const obey = async (command: HostCommand<Options, Message>): Promise<void> => {
    switch (command.kind) {
      case "open":
        return open(command.options, command.writing);
      case "message":
        return work?.receive(command.message);
      case "writer":
        return writing?.changed(command.change);
      case "close":
        await work?.close();
        await tracing?.close();
        closeDatabase();
        post({ kind: "closed" });
    }
  };

  self.addEventListener("message", ({ data }: MessageEvent<HostCommand<Options, Message>>) => {
    obey(data).catch((error: unknown) => {
      post({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
    });
  });
}
