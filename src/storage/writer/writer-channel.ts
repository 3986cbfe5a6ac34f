import { createDeadlines } from "../../core/deadlines.ts";
import { type ThreadWrites, createThreadWrites, THREAD_DEADLINE_MS } from "./thread-writes.ts";
import { portOf } from "./message-port.ts";
import { systemClock } from "../../core/system-clock.ts";
import type { WriterChange } from "./writer-connections.ts";

/** How a thread other than the main one writes: through the current run of the writer thread. */
export interface WriterChannel {
  readonly write: ThreadWrites["write"];
  /** Applies a change of the writer thread that the main thread reports. */
  changed(change: WriterChange): void;
}

export function openWriterChannel(channel: MessagePort): WriterChannel {
  const writes = createThreadWrites(portOf(channel), createDeadlines(systemClock, THREAD_DEADLINE_MS));
  return {
    write: writes.write,
    changed(change) {
      if (change.kind === "lost") writes.fail(new Error(change.message));
      else writes.reconnect(portOf(change.channel));
    },
  };
}
