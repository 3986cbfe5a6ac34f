import type { OnFeedNews } from "../../feeds/project/commit.ts";
import type { RegisteredFeed } from "../../feeds/lifecycle/register.ts";
import { hasWork } from "../../feeds/project/has-work.ts";
import type { RunEvent } from "../../feeds/project/run.ts";
import type { LogNews } from "../../log/append/writer.ts";
import { type RunningProjections, runProjections, type ProjectOptions } from "./projections.ts";
import { newHolderName } from "../../storage/holder-name.ts";
import { systemClock } from "../../core/system-clock.ts";
import type { ProjectorCommand, ProjectorReport } from "./projector-thread.ts";
import { type ConnectWriter, transferOf } from "../../storage/writer/writer-thread-host.ts";

export interface ProjectingOptions extends Omit<ProjectOptions, "holder"> {
  readonly url: string;
  /** Where feeds are defined; null: not in a file, so that only this thread has them. */
  readonly configFile: string | null;
  /** Connects a thread with the one that writes; null: this thread writes. */
  readonly connect: ConnectWriter | null;
  /** Whether a thread is started only when there is something to project. */
  readonly lazy: boolean;
}

interface Thread extends ProjectingOptions {
  readonly configFile: string;
  readonly connect: ConnectWriter;
  readonly holder: string;
  readonly onNews: OnFeedNews;
  readonly onEvent: (event: RunEvent) => void;
}

/** How often it is looked whether another process left something to project. */
const FIRST_LOOK_MS = 1_000;

/** How long after it failed the thread is started anew. */
const RESTART_MS = 1_000;

interface RunningThread {
  learn(news: LogNews): void;
  /** Asks it to end. */
  readonly close: () => void;
  readonly ended: Promise<{ readonly failure: string | null }>;
}

function startThread(options: Thread): RunningThread {
  const { url, writer, limits, pollIntervalMs, configFile, holder, connect, onNews, onEvent } = options;
  // The bundler takes a worker in that is named like this.
  const worker = new Worker(new URL("./projector-thread.ts", import.meta.url).href);
  const tell = (command: ProjectorCommand, transfer: Transferable[] = []) =>
    worker.postMessage(command, transfer);
  const { promise: ended, resolve } = Promise.withResolvers<{ readonly failure: string | null }>();
  const writing = connect((change) => tell({ kind: "writer", change }, transferOf(change)));
  const end = (failure: string | null) => {
    writing.disconnect();
    worker.terminate();
    resolve({ failure });
  };
  worker.addEventListener("error", (event) => end(event.message));
  worker.addEventListener("close", () => end("it ended"));
  worker.addEventListener("message", ({ data }: MessageEvent<ProjectorReport>) => {
    if (data.kind === "news") onNews(data.path, data.log);
    else if (data.kind === "event") onEvent(data.event);
    else if (data.kind === "sweep") writer.sweep();
    else if (data.kind === "failed") end(data.message);
    else if (data.kind === "closed") end(null);
  });
  const { channel } = writing;
  tell({ kind: "open", url, limits, pollIntervalMs, configFile, holder, writing: channel }, [channel]);
  return { learn: (news) => tell({ kind: "news", news }), close: () => tell({ kind: "close" }), ended };
}

/**
 * Projects in a thread of its own, so that neither requests nor appends wait for handlers. If it fails, which is
 * for code beside the handlers to bring about, it is started anew.
 */
function projectFromThread(options: Thread): RunningProjections {
  const stopping = new AbortController();
  let running: RunningThread | null = null;
  const runUntilStopped = async () => {
    while (!stopping.signal.aborted) {
      const thread = startThread(options);
      running = thread;
      stopping.signal.addEventListener("abort", thread.close);
      const { failure } = await thread.ended;
      stopping.signal.removeEventListener("abort", thread.close);
      running = null;
      if (failure === null) return;
      const error = new Error(`The projecting thread failed: ${failure}`);
      options.onEvent({ kind: "failed", feed: "all", error });
      await systemClock.sleep(RESTART_MS, stopping.signal);
    }
  };
  const ended = runUntilStopped();
  return {
    learn: (news) => running?.learn(news),
    close() {
      stopping.abort();
      return ended;
    },
  };
}

const NOTHING: RunningProjections = { learn: (_news: LogNews) => {}, close: () => Promise.resolve() };

/** Starts projecting with the first thing there is to project. */
function projectWhenNeeded(
  { database, onEvent }: ProjectingOptions,
  registered: readonly RegisteredFeed[],
  start: () => RunningProjections,
): RunningProjections {
  const stopping = new AbortController();
  let running: RunningProjections | null = null;
  const startOnce = () => {
    if (!stopping.signal.aborted) running ??= start();
  };
  const look = async () => {
    while (!stopping.signal.aborted && running === null) {
      const found = await hasWork(database, registered).catch((error: unknown) => {
        onEvent({ kind: "failed", feed: "all", error });
        return false;
      });
      if (found) startOnce();
      else await systemClock.sleep(FIRST_LOOK_MS, stopping.signal);
    }
  };
  const looking = look();
  return {
    learn(news) {
      startOnce();
      running?.learn(news);
    },
    async close() {
      stopping.abort();
      await looking;
      await running?.close();
    },
  };
}

/** Projects as suits the database: nothing is started for no feeds. */
export function startProjections(
  options: ProjectingOptions,
  registered: readonly RegisteredFeed[],
): RunningProjections {
  if (registered.length === 0) return NOTHING;
  const { configFile, connect } = options;
  const holder = newHolderName();
  if (configFile === null || connect === null) return runProjections({ ...options, holder }, registered);
  const start = () => projectFromThread({ ...options, configFile, connect, holder });
  return options.lazy ? projectWhenNeeded(options, registered, start) : start();
}
