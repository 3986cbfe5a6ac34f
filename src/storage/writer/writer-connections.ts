import type { ThreadCommand } from "./writer-thread.ts";

/** A change of the writer thread, for a thread that is connected to it. */
export type WriterChange =
  /** The thread failed: the writes that were sent to it stay unanswered. */
  | { readonly kind: "lost"; readonly message: string }
  /** The thread has restarted, and is reached through this channel. */
  | { readonly kind: "found"; readonly channel: MessagePort };

/** The objects to transfer to another thread with a change. */
export function transferOf(change: WriterChange): Transferable[] {
  return change.kind === "found" ? [change.channel] : [];
}

/** The connection of another thread to the writer thread. */
export interface WriterConnection {
  /** Transfer it to the other thread. */
  readonly channel: MessagePort;
  disconnect(): void;
}

/** Connects another thread, and notifies it of each change of the writer thread. */
export type ConnectWriter = (onChange: (change: WriterChange) => void) => WriterConnection;

/** The connections of other threads, which outlive each run of the writer thread. */
export interface WriterConnections {
  readonly connect: ConnectWriter;
  /** Connects the run that receives commands now with the threads that it is not connected to. */
  find(): void;
  /** Notifies the connected threads that the run has failed. */
  lose(message: string): void;
}

interface Connected {
  /** The end of its channel that the writer thread has yet to receive. */
  waiting: MessagePort | null;
  /** Whether the current run has a channel of it. */
  isFound: boolean;
  readonly onChange: (change: WriterChange) => void;
}

/** Creates the connections. `send`: sends a command to the current run of the thread. */
export function createWriterConnections(
  send: (command: ThreadCommand, transfer: Transferable[]) => void,
): WriterConnections {
  const connections = new Set<Connected>();
  return {
    connect(onChange) {
      const { port1, port2 } = new MessageChannel();
      const connected: Connected = { waiting: port1, isFound: false, onChange };
      connections.add(connected);
      return { channel: port2, disconnect: () => void connections.delete(connected) };
    },
    find() {
      for (const connected of connections) {
        if (connected.isFound) continue;
        connected.isFound = true;
        const { waiting } = connected;
        connected.waiting = null;
        if (waiting === null) {
          const { port1, port2 } = new MessageChannel();
          send({ kind: "connect", channel: port1 }, [port1]);
          connected.onChange({ kind: "found", channel: port2 });
        } else {
          send({ kind: "connect", channel: waiting }, [waiting]);
        }
      }
    },
    lose(message) {
      for (const connected of connections) {
        if (!connected.isFound) continue;
        connected.isFound = false;
        connected.onChange({ kind: "lost", message });
      }
    },
  };
}
