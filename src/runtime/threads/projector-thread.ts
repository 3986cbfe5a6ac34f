import { loadConfigFile } from "../../config/file.ts";
import type { Limits } from "../../core/limits.ts";
import type { AnyFeedDefinition } from "../../feeds/define/define.ts";
import type { RunEvent } from "../../feeds/project/run.ts";
import { openDatabase } from "../../storage/open.ts";
import type { LogState } from "../../log/log-state.ts";
import { type LogNews } from "../../log/append/writer.ts";
import { type BatchWriter, writeBatch } from "../../storage/batch-writer.ts";
import { configuredFeeds } from "../configured-feeds.ts";
import { type RunningProjections, runProjections } from "./projections.ts";
import { systemClock } from "../../core/system-clock.ts";
import { openWriterChannel, type WriterChannel } from "../../storage/writer/writer-channel.ts";
import type { WriterChange } from "../../storage/writer/writer-thread-host.ts";

/*
 * The thread that projects the feeds of an embedded database: it reads with a connection of its own, and writes
 * through the thread that has the writer. Handlers do not pass between threads, so that it loads the
 * configuration file itself.
 */

export interface OpenProjector {
  readonly kind: "open";
  readonly url: string;
  readonly limits: Limits;
  readonly pollIntervalMs: number;
  readonly configFile: string;
  readonly holder: string;
  /** A channel to the thread that writes. */
  readonly writing: MessagePort;
}

/** What the main thread says. */
export type ProjectorCommand =
  | OpenProjector
  | { readonly kind: "news"; readonly news: LogNews }
  | { readonly kind: "writer"; readonly change: WriterChange }
  | { readonly kind: "close" };

/** What this thread says. An error travels as its text. */
export type ProjectorReport =
  | { readonly kind: "opened" | "closed" | "sweep" }
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "news"; readonly path: string; readonly log: LogState }
  | { readonly kind: "event"; readonly event: RunEvent };

declare const self: Worker;

const report = (message: ProjectorReport) => self.postMessage(message);

function reportable(event: RunEvent): RunEvent {
  return event.kind === "failed" ? { ...event, error: String(event.error) } : event;
}

async function open(
  { url, limits, pollIntervalMs, configFile, holder }: OpenProjector,
  { write }: WriterChannel,
): Promise<RunningProjections> {
  const file = await loadConfigFile("/", configFile);
  const { feeds = [] } = (file?.value ?? {}) as { readonly feeds?: readonly AnyFeedDefinition[] };
  const database = { ...openDatabase({ url }), ordered: true, write };
  const writer: BatchWriter = {
    write: (statements) => writeBatch(database, systemClock, statements),
    sweep: () => report({ kind: "sweep" }),
  };
  const { registered } = await configuredFeeds(database, feeds, limits);
  const projecting = runProjections(
    {
      database,
      writer,
      limits,
      pollIntervalMs,
      holder,
      onNews: (path, log) => report({ kind: "news", path, log }),
      onEvent: (event) => report({ kind: "event", event: reportable(event) }),
    },
    registered,
  );
  return {
    learn: (news) => projecting.learn(news),
    async close() {
      await projecting.close();
      database.close();
    },
  };
}

let opened: RunningProjections | null = null;
let writer: WriterChannel | null = null;

async function obey(command: ProjectorCommand): Promise<void> {
  if (command.kind === "open") {
    writer = openWriterChannel(command.writing);
    opened = await open(command, writer);
    report({ kind: "opened" });
  } else if (command.kind === "news") {
    opened?.learn(command.news);
  } else if (command.kind === "writer") {
    writer?.changed(command.change);
  } else {
    await opened?.close();
    report({ kind: "closed" });
  }
}

self.addEventListener("message", ({ data }: MessageEvent<ProjectorCommand>) => {
  obey(data).catch((error: unknown) => {
    report({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
  });
});
