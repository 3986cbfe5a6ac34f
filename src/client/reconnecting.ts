import type { RequestDeps } from "./request.ts";
import { isPassing, requestRetryMs } from "./retry.ts";

/** How the connections of a stream are opened and read. */
interface Connections<Received, Item> {
  /**
   * Opens the next connection, and calls `onOpened` when the server has answered. `attempt`: its number since the last
   * connection that worked.
   */
  readonly connect: (attempt: number, onOpened: () => void) => AsyncIterable<Received>;
  /** Returns the item of something received; null: the caller has it already. */
  readonly read: (received: Received) => Item | null;
}

/** A connection that is open for so many times the longest silence received heartbeats: it worked, although nothing happened. */
const WORKED_SILENCES = 2;

/**
 * Reads the items of one connection after the other. Ends when the signal aborts; throws errors that another attempt would not
 * change.
 */
export async function* reconnecting<Received, Item>(
  deps: RequestDeps,
  signal: AbortSignal | undefined,
  { connect, read }: Connections<Received, Item>,
): AsyncGenerator<Item, void, undefined> {
  const aborted = () => signal?.aborted === true;
  const workedMs = WORKED_SILENCES * deps.timeouts.silenceMs;
  let failures = 0;
  while (!aborted()) {
    let failure: unknown = null;
    let openedMs = Number.POSITIVE_INFINITY;
    const onOpened = () => {
      openedMs = deps.now();
    };
    try {
      for await (const received of connect(failures + 1, onOpened)) {
        failures = 0;
        const item = read(received);
        if (item === null) continue;
        yield item;
        if (aborted()) return;
      }
    } catch (error) {
      if (aborted()) return;
      if (!isPassing(error)) throw error;
      failure = error;
      deps.onRetry?.(error);
    }
    failures = deps.now() - openedMs > workedMs ? 1 : failures + 1;
    // An abort ends the wait, and then the loop.
    await deps.sleep(requestRetryMs(deps, failures, failure), signal).catch(() => {});
  }
}
