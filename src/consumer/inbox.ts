import type { ConsumerEvent } from "./types.ts";

/** Events that are handed in, by whoever and at any time; what came while some are handled is handled together. */
export interface Inbox {
  /** Resolves when the events are dealt with. */
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
