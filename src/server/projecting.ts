import type { OnFeedNews } from "../feed/commit.ts";
import type { RegisteredFeed } from "../feed/register.ts";
import type { RunEvent } from "../feed/run.ts";
import type { LogNews } from "../log/writer.ts";
import { type Projecting, project, type ProjectOptions } from "./project.ts";
import type { ProjectorCommand, ProjectorReport } from "./projector-thread.ts";

export interface ProjectingOptions extends Omit<ProjectOptions, "holder"> {
  readonly url: string;
  /** Where feeds are defined; null: not in a file, so that only this thread has them. */
  readonly configFile: string | null;
  /** A channel to the thread that writes; null: this thread writes. */
  readonly connect: (() => MessagePort) | null;
}

interface Thread extends ProjectingOptions {
  readonly configFile: string;
  readonly connect: () => MessagePort;
  readonly holder: string;
  readonly onNews: OnFeedNews;
  readonly onEvent: (event: RunEvent) => void;
}

/** Projects in a thread of its own, so that neither requests nor appends wait for handlers. */
function projectFromThread(options: Thread): Projecting {
  const { url, limits, pollIntervalMs, configFile, holder, connect, onNews, onEvent } = options;
  // The bundler takes a worker in that is named like this.
  const worker = new Worker(new URL("./projector-thread.ts", import.meta.url).href);
  const tell = (command: ProjectorCommand, transfer: Transferable[] = []) =>
    worker.postMessage(command, transfer);
  const closed = Promise.withResolvers<void>();
  const fail = (message: string) => {
    onEvent({ kind: "failed", feed: "all", error: new Error(`The projecting thread failed: ${message}`) });
    closed.resolve();
    worker.terminate();
  };
  worker.addEventListener("error", (event) => fail(event.message));
  worker.addEventListener("message", ({ data }: MessageEvent<ProjectorReport>) => {
    if (data.kind === "news") onNews(data.path, data.head);
    else if (data.kind === "event") onEvent(data.event);
    else if (data.kind === "failed") fail(data.message);
    else if (data.kind === "closed") closed.resolve();
  });
  const writing = connect();
  tell({ kind: "open", url, limits, pollIntervalMs, configFile, holder, writing }, [writing]);
  return {
    // The thread that writes tells it by itself.
    learn: () => {},
    async close() {
      tell({ kind: "close" });
      await closed.promise;
      worker.terminate();
    },
  };
}

const NOTHING: Projecting = { learn: (_news: LogNews) => {}, close: () => Promise.resolve() };

/** Projects as suits the database: nothing is started for no feeds. */
export function startProjecting(
  options: ProjectingOptions,
  registered: readonly RegisteredFeed[],
): Projecting {
  if (registered.length === 0) return NOTHING;
  const { configFile, connect } = options;
  const holder = crypto.randomUUID();
  return configFile !== null && connect !== null
    ? projectFromThread({ ...options, configFile, connect, holder })
    : project({ ...options, holder }, registered);
}
