import type { RequestDeps } from "./request.ts";
import { isPassing, requestRetryMs } from "./retry.ts";

/** How the connections of a stream are opened and read. */
interface Connections<Received, Item> {
  /** Opens the next connection; gets the number of its attempt since something was received. */
  readonly connect: (attempt: number) => AsyncIterable<Received>;
  /** Returns the item of something received; null: the caller has it already. */
  readonly read: (received: Received) => Item | null;
}

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
  let failures = 0;
  while (!aborted()) {
    let failure: unknown = null;
    try {
      for await (const received of connect(failures + 1)) {
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
    failures += 1;
    // An abort ends the wait, and then the loop.
    await deps.sleep(requestRetryMs(deps, failures, failure), signal).catch(() => {});
  }
}
