import { eventStream } from "./event-stream.ts";
import { planAttempt, type RequestDeps } from "./request.ts";
import { isPassing, requestRetryMs } from "./retry.ts";
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
export async function* followChanges(
  deps: RequestDeps,
  { onOpen = () => {}, signal }: ChangesOptions,
): AsyncGenerator<StoreChanges, void, undefined> {
  const aborted = () => signal?.aborted === true;
  let failures = 0;
  while (!aborted()) {
    let failure: unknown = null;
    try {
      const plan = planAttempt(deps, failures + 1, false);
      const messages = eventStream(deps, PATH, signal, onOpen, ({ data }) => parseChanges(data), plan);
      for await (const changes of messages) {
        failures = 0;
        yield changes;
        if (aborted()) return;
      }
    } catch (error) {
      if (aborted()) return;
      if (!isPassing(error)) throw error;
      failure = error;
      deps.onRetry?.(error);
    }
    failures += 1;
    // An abort ends the wait, and then the loop.
    await deps.sleep(requestRetryMs(deps, failures, failure), signal).catch(() => {});
  }
}
