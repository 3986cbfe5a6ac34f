import { eventStream } from "./event-stream.ts";
import { reconnecting } from "./reconnecting.ts";
import { planAttempt, type RequestDeps } from "./request.ts";
import type { ChangesOptions, StoreChanges } from "./store-types.ts";
import { UnexpectedAnswerError } from "./unexpected-answer.ts";

const PATH = "/changes";

function parseChanges(data: string): StoreChanges {
  try {
    return JSON.parse(data) as StoreChanges;
  } catch {
    throw new UnexpectedAnswerError(200, "The server sent changes that are not JSON");
  }
}

/**
 * Follows the changes of a store, and connects again after a lost connection. Ends when the signal aborts; throws errors that
 * another attempt would not change.
 */
export function followChanges(
  deps: RequestDeps,
  { onOpen = () => {}, signal }: ChangesOptions,
): AsyncGenerator<StoreChanges, void, undefined> {
  return reconnecting(deps, signal, {
    connect(attempt, onOpened) {
      const opened = () => {
        onOpened();
        onOpen();
      };
      const plan = planAttempt(deps, attempt, false);
      return eventStream(deps, PATH, signal, opened, ({ data }) => parseChanges(data), plan);
    },
    read: (changes) => changes,
  });
}
