import type { Settings } from "../config/settings.ts";
import { EVENT_LOG_ADDRESS } from "../log/keys.ts";
import { openDatabase } from "../log/open.ts";
import { openLogReader } from "../log/reader.ts";
import { type Port, remoteWriter } from "../log/writer-port.ts";
import { type Listening, listen } from "./listen.ts";
import { createLog } from "./logger.ts";
import { systemClock } from "./system-clock.ts";

/*
 * A thread that serves HTTP. It reads the database itself, and has the main thread write.
 * Texts between the two are the writer's; objects are these:
 */

/** What the main thread says. */
export type ThreadCommand =
  | {
      readonly kind: "listen";
      readonly settings: Settings;
      readonly version: string;
      readonly port: number;
      readonly shared: boolean;
    }
  | { readonly kind: "close" };

/** What the thread says. */
export type ThreadReport =
  | { readonly kind: "listening"; readonly port: number }
  | { readonly kind: "failed"; readonly message: string; readonly code: string | null }
  | { readonly kind: "closed" };

declare const self: Worker;

let receive: (message: string) => void = () => {};
const port: Port = {
  post: (message) => self.postMessage(message),
  listen(receiver) {
    receive = receiver;
  },
};

const report = (message: ThreadReport) => self.postMessage(message);

function start({
  settings,
  version,
  port: tcpPort,
  shared,
}: ThreadCommand & { kind: "listen" }): () => Promise<void> {
  const { databaseUrl: url, databaseAuthToken: authToken, limits, pollIntervalMs } = settings;
  const database = openDatabase({ url, authToken });
  const reader = openLogReader({ database, clock: systemClock, limits, pollIntervalMs }, EVENT_LOG_ADDRESS);
  const writer = remoteWriter(port, systemClock, (news) => reader.learn(news));
  const log = createLog(settings.logLevel);
  const listening: Listening = listen({ reader, writer, settings, version, log }, tcpPort, shared);
  report({ kind: "listening", port: listening.port });
  return async () => {
    await listening.close();
    database.close();
    log.flush();
  };
}

let close: () => Promise<void> = () => Promise.resolve();

async function obey(command: ThreadCommand): Promise<void> {
  if (command.kind === "listen") {
    close = start(command);
    return;
  }
  await close();
  report({ kind: "closed" });
}

self.addEventListener("message", ({ data }: MessageEvent<string | ThreadCommand>) => {
  if (typeof data === "string") {
    receive(data);
    return;
  }
  obey(data).catch((error: unknown) => {
    const code =
      error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : null;
    report({ kind: "failed", message: error instanceof Error ? error.message : String(error), code });
  });
});
