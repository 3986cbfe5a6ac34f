import { createDeadlines } from "../../core/deadlines.ts";
import { type ThreadWrites, createThreadWrites, THREAD_DEADLINE_MS } from "./thread-writes.ts";
import { portOf } from "./message-port.ts";
import { systemClock } from "../../core/system-clock.ts";
import type { WriterChange } from "./writer-thread-host.ts";

/** How a thread beside the main one writes: through the thread that writes, whichever run of that is up. */
export interface WriterChannel {
  readonly write: ThreadWrites["write"];
  /** Takes up what the main thread reports of the thread that writes. */
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
