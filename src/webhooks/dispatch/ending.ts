import { isRenewed } from "../../storage/failures.ts";

/**
 * Why dispatching ended. `closing`: the process ends. `changed`: the subscription was changed, or another process holds
 * its lease, or the wall clock was corrected, so that dispatching must start again from the stored state. `renewed`:
 * the log got another identity, so that positions in memory are void. `gone`: the endpoint wants no more deliveries.
 * `creator-ended`: the creator may no longer read the source. `turn-over`: its turn has ended. A storage failure rejects.
 */
export type DispatchEnd = "closing" | "changed" | "renewed" | "gone" | "creator-ended" | "turn-over";

/** The end of a dispatcher: the first reason counts. */
export interface Ending {
  /** Null: dispatching continues. */
  reason(): DispatchEnd | "failed" | null;
  endFor(reason: DispatchEnd): void;
  /** Ends dispatching because of an error. */
  readonly fail: (error: unknown) => void;
  /** The error, where the reason is a failure. */
  error(): unknown;
  /** Call it when nothing more is sent or read: failures then change nothing, since the last write stores all progress. */
  close(): void;
  /** Aborts when it is closed. */
  readonly closed: AbortSignal;
}

/** `wake`: called when there is a reason. */
export function createEnding(wake: () => void): Ending {
  let reason: DispatchEnd | "failed" | null = null;
  let failure: unknown = null;
  const closing = new AbortController();
  return {
    reason: () => reason,
    endFor(first) {
      reason ??= first;
      wake();
    },
    fail(error) {
      if (closing.signal.aborted) return;
      if (reason === null) failure = error;
      reason ??= isRenewed(error) ? "renewed" : "failed";
      wake();
    },
    error: () => failure,
    close: () => closing.abort(),
    closed: closing.signal,
  };
}
