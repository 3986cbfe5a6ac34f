import { availableParallelism } from "node:os";

import type { Database } from "../log/database.ts";
import { type LogNews, openLogWriter } from "../log/writer.ts";
import { serveWriter } from "../log/writer-port.ts";
import type { ThreadCommand, ThreadReport } from "./http-thread.ts";
import type { RunningServer, StartOptions } from "./start.ts";
import { systemClock } from "./system-clock.ts";

/** HTTP threads beside the one that writes: one leaves a core for the writer, more than two wait for it. */
function threadCount(): number {
  return Math.max(1, Math.min(2, availableParallelism() - 2));
}

interface Thread {
  readonly port: number;
  tell(news: LogNews): void;
  close(): Promise<void>;
}

function startThread(
  command: ThreadCommand & { kind: "listen" },
  connect: (worker: Worker) => { tell: (news: LogNews) => void; receive: (message: string) => void },
): Promise<Thread> {
  // Bun bundles a worker that is named like this.
  const worker = new Worker(new URL("./http-thread.ts", import.meta.url).href);
  const { tell, receive } = connect(worker);
  return new Promise((resolve, reject) => {
    let closed: () => void = () => {};
    worker.addEventListener("error", (event) => reject(new Error(event.message)));
    worker.addEventListener("message", ({ data }: MessageEvent<string | ThreadReport>) => {
      if (typeof data === "string") {
        receive(data);
        return;
      }
      switch (data.kind) {
        case "listening":
          resolve({
            port: data.port,
            tell,
            close: () =>
              new Promise<void>((done) => {
                closed = done;
                worker.postMessage({ kind: "close" } satisfies ThreadCommand);
              }).finally(() => worker.terminate()),
          });
          return;
        case "failed":
          worker.terminate();
          reject(Object.assign(new Error(data.message), { code: data.code }));
          return;
        case "closed":
          closed();
      }
    });
    worker.postMessage(command);
  });
}

/** Fails when somebody listens on the port: threads that share it would share it with another process as well. */
function claimPort(hostname: string, port: number): void {
  void Bun.serve({ hostname, port, fetch: () => new Response() }).stop(true);
}

/**
 * An embedded file is written by this thread, whose commits block it, while others serve HTTP and read: parsing
 * and committing overlap.
 */
export async function startThreads(
  database: Database,
  { settings, version }: StartOptions,
): Promise<RunningServer> {
  const threads: Thread[] = [];
  const writer = openLogWriter({
    database,
    clock: systemClock,
    limits: settings.limits,
    onNews: (news) => {
      for (const thread of threads) thread.tell(news);
    },
  });
  const connect = (worker: Worker) => {
    let receive: (message: string) => void = () => {};
    const tell = serveWriter(
      writer,
      { post: (message) => worker.postMessage(message), listen: (receiver) => (receive = receiver) },
      systemClock,
    );
    return { tell, receive: (message: string) => receive(message) };
  };
  const close = async () => {
    await Promise.all(threads.map((thread) => thread.close()));
    await writer.close();
    database.close();
  };

  const count = threadCount();
  const shared = count > 1;
  let { port } = settings;
  try {
    if (shared) claimPort(settings.host, port);
    for (let started = 0; started < count; started += 1) {
      const thread = await startThread({ kind: "listen", settings, version, port, shared }, connect);
      threads.push(thread);
      port = thread.port;
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { port, close };
}
