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

/** `together`: the writes of one turn of this thread are sent together, and none rests on another. */
export function openWriterChannel(channel: MessagePort, together: boolean): WriterChannel {
  const deadlines = createDeadlines(systemClock, THREAD_DEADLINE_MS);
  const writes = createThreadWrites(portOf(channel), deadlines, together ? systemClock : undefined);
  return {
    write: writes.write,
    changed(change) {
      if (change.kind === "lost") writes.fail(new Error(change.message));
      else writes.reconnect(portOf(change.channel));
    },
  };
}
