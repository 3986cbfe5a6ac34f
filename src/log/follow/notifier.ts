import type { Recent, Tail } from "./tail.ts";

/** Events after one position and up to another, all of them. */
export interface NewEvents extends Recent {
  readonly start: number;
}

/** A follower that has seen all events, and waits for more. */
export interface Listener {
  /** All up to this position has been seen. */
  readonly cursor: () => number;
  /** Identity of the log that the cursor belongs to. */
  readonly identity: string;
  /** Called once for each wait. Null: the new events are not in memory, and have to be read from the log. */
  readonly notify: (news: NewEvents | null) => void;
}

/**
 * All who wait for the same log in this process. They cost one wait and one look at the tail together, however many they
 * are, and a place in a set each.
 */
export interface Notifier {
  /**
   * Notifies a listener of the next events. False: there are already events that it has not seen, or its cursor belongs to
   * another identity than the log has now.
   */
  wait(listener: Listener): boolean;
  leave(listener: Listener): void;
  close(): void;
}

export function createNotifier(tail: Pick<Tail, "head" | "identity" | "passed" | "since">): Notifier {
  let listeners = new Set<Listener>();
  let withoutListeners = new AbortController();
  let notifying = false;
  let closed = false;

  /** Null where the tail cannot read: each listener then reads the log, and receives the error if there is one. */
  const newsAfter = async (start: number): Promise<NewEvents | null> => {
    const recent = await tail.since(start).catch(() => null);
    return recent === null ? null : { ...recent, start };
  };

  const notifyAll = async () => {
    // Every listener has seen this much: `wait` refuses the others.
    let position = tail.head();
    let identity = tail.identity();
    while (listeners.size > 0 && !closed) {
      withoutListeners = new AbortController();
      await tail.passed(position, withoutListeners.signal);
      const isRenewed = tail.identity() !== identity;
      if (tail.head() <= position && !isRenewed) continue;
      // After a renewal each listener looks for itself, and ends.
      const news = isRenewed ? null : await newsAfter(position);
      position = news === null ? tail.head() : news.end;
      ({ identity } = news ?? { identity: tail.identity() });
      const waiting = listeners;
      listeners = new Set();
      for (const listener of waiting) listener.notify(news);
    }
    notifying = false;
  };

  return {
    wait(listener) {
      if (listener.identity !== tail.identity() || listener.cursor() < tail.head()) return false;
      listeners.add(listener);
      if (!notifying && !closed) {
        notifying = true;
        void notifyAll();
      }
      return true;
    },
    leave(listener) {
      listeners.delete(listener);
      if (listeners.size === 0) withoutListeners.abort();
    },
    close() {
      closed = true;
      withoutListeners.abort();
    },
  };
}
