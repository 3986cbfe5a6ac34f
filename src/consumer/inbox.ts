import type { ConsumerEvent } from "./types.ts";

/** A queue of events from any caller. Events that arrive while others are handled are handled together. */
export interface Inbox {
  /** Resolves when the events are handled, or their subjects saved as blocked. */
  put(events: readonly ConsumerEvent[]): Promise<void>;
}

interface Waiting {
  readonly events: readonly ConsumerEvent[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export function createInbox(handle: (events: readonly ConsumerEvent[]) => Promise<void>): Inbox {
  let waiting: Waiting[] = [];
  let working = false;

  const work = async () => {
    working = true;
    while (waiting.length > 0) {
      const taken = waiting;
      waiting = [];
      try {
        await handle(taken.flatMap(({ events }) => events));
        for (const { resolve } of taken) resolve();
      } catch (error) {
        for (const { reject } of taken) reject(error);
      }
    }
    working = false;
  };

  return {
    put: (events) =>
      new Promise((resolve, reject) => {
        waiting.push({ events, resolve, reject });
        if (!working) void work();
      }),
  };
}
