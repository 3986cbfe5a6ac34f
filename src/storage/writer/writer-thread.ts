import { type BackgroundCheckpoint, CHECKPOINT, openBackgroundCheckpoint } from "../background-checkpoint.ts";
import { charactersOf } from "../database.ts";
import { type MemoryRelease, startMemoryRelease } from "../memory-release.ts";
import { type EmbeddedDatabase, openEmbedded } from "../embedded.ts";
import { createWriteServer, type Port } from "./thread-writes.ts";
import { type Checkpointer, startCheckpointer } from "./checkpointer.ts";
import { trimHeap } from "./trim-heap.ts";
import { troubleWith, type WriterTrouble } from "./writer-trouble.ts";
import { createSharedMeasures, type MeasuredSeries } from "../../core/measures.ts";
import { portOf } from "./message-port.ts";
import { systemClock } from "../../core/system-clock.ts";

/*
 * The thread that writes an embedded database; its commits block it. The main thread sends writes as arrays and
 * commands as objects. Other threads are connected by channels of their own.
 */

/** A message of the main thread. */
export type ThreadCommand =
  | { readonly kind: "open"; readonly path: string; readonly writing: Int32Array }
  | { readonly kind: "connect"; readonly channel: MessagePort }
  | { readonly kind: "close" };

/** A message of this thread. */
export type ThreadReport =
  | { readonly kind: "opened" }
  | { readonly kind: "trouble"; readonly trouble: WriterTrouble }
  /** A counter or histogram of this thread, in memory that both share. */
  | { readonly kind: "measured"; readonly series: MeasuredSeries }
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "closed" };

declare const self: Worker;

let receive: (message: unknown) => void = () => {};
const port: Port = {
  post: (message) => self.postMessage(message),
  listen(receiver) {
    receive = receiver;
  },
};

const report = (message: ThreadReport) => self.postMessage(message);

/** Characters of arguments after which there is memory to release: about 4,000 events of 250 bytes. */
const RELEASE_CHARACTERS = 1_000_000;

interface Opened {
  readonly database: EmbeddedDatabase;
  /** Number of writes in flight, which the main thread reads. */
  readonly writing: Int32Array;
  readonly background: BackgroundCheckpoint;
  readonly checkpointer: Checkpointer;
  readonly memory: MemoryRelease;
}

let opened: Opened | null = null;

const onTrouble = (trouble: WriterTrouble) => report({ kind: "trouble", trouble });
const onTrimFailure = troubleWith("trim-heap", onTrouble);

function trim(): void {
  try {
    trimHeap();
  } catch (error) {
    // The C library lacks the function, so another attempt at this release would fail as well.
    onTrimFailure(error);
  }
}

function open(path: string, writing: Int32Array): Opened {
  const database = openEmbedded(path);
  const background = openBackgroundCheckpoint(path);
  const checkpointer = startCheckpointer({
    checkpoint: () => background.run(),
    finish: async () => void (await database.read(CHECKPOINT)),
    clock: systemClock,
    chance: () => Math.random(),
    onFailure: troubleWith("checkpoint", onTrouble),
  });
  const memory = startMemoryRelease({
    release() {
      database.release();
      Bun.gc(true);
      trim();
    },
    worthwhile: RELEASE_CHARACTERS,
    clock: systemClock,
    onFailure: troubleWith("release-memory", onTrouble),
  });
  return { database, writing, background, checkpointer, memory };
}

const measures = createSharedMeasures((series) => report({ kind: "measured", series }));
const durations = measures.histogram("write_duration_seconds");

const server = createWriteServer(async (statements) => {
  if (opened === null) throw new Error("the database is not open");
  const { database, writing, checkpointer, memory } = opened;
  Atomics.add(writing, 0, 1);
  const started = systemClock.monotonic();
  try {
    return await database.write(statements);
  } finally {
    durations.observe((systemClock.monotonic() - started) / 1_000);
    checkpointer.record(statements);
    memory.record(charactersOf(statements));
    Atomics.sub(writing, 0, 1);
  }
}, systemClock);

async function obey(command: ThreadCommand): Promise<void> {
  switch (command.kind) {
    case "open":
      opened = open(command.path, command.writing);
      server.serve(port);
      return report({ kind: "opened" });
    case "connect":
      return server.serve(portOf(command.channel));
    case "close":
      await server.settled();
      await opened?.checkpointer.close();
      await opened?.memory.close();
      opened?.background.close();
      opened?.database.close();
      return report({ kind: "closed" });
  }
}

self.addEventListener("message", ({ data }: MessageEvent<unknown[] | ThreadCommand>) => {
  if (Array.isArray(data)) {
    receive(data);
    return;
  }
  obey(data).catch((error: unknown) => {
    report({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
  });
});
