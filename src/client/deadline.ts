import { onAbort } from "../core/on-abort.ts";
import type { Cancellation } from "./http-transport.ts";

/** Longest waits of a request for the server, in milliseconds; `Infinity` waits forever. */
export interface Timeouts {
  /**
   * From the start of a request to the beginning of its answer: connecting, sending, and the server's work. A
   * long-poll adds its `timeout`, and a large body one second for each 32 KiB. Default: 12,000.
   */
  readonly answerMs: number;
  /**
   * Longest silence within an answer or an event stream; the server sends something at least every 10 seconds.
   * Default: 15,000.
   */
  readonly silenceMs: number;
}

/** Longer than the 10 seconds after which a server reports that its database does not respond. */
export const TIMEOUTS: Timeouts = { answerMs: 12_000, silenceMs: 15_000 };

/** Calls `work` after `ms`; returns a function that cancels the call. */
export type StartTimer = (ms: number, work: () => void) => () => void;

/** The server sent nothing for too long. */
export class DeadlineError extends Error {
  override readonly name = "DeadlineError";
  readonly waitedMs: number;

  constructor(waitedMs: number) {
    super(`nothing arrived within ${waitedMs} ms`);
    this.waitedMs = waitedMs;
  }
}

/** One attempt at a request. It ends when its deadline passes or its caller aborts. */
export interface RequestAttempt extends Cancellation {
  /**
   * Settles like `work`. When `ms` pass first, it rejects with a DeadlineError and aborts the request, so that the
   * runtime closes the connection.
   */
  within<Result>(ms: number, work: Promise<Result>): Promise<Result>;
  /** Ends the attempt. `complete`: the whole answer has arrived; `abort` cancels the rest of it. */
  end(outcome: "complete" | "abort"): void;
}

/** Starts an attempt, which the caller's signal aborts as well. */
export type StartAttempt = (caller: AbortSignal | null | undefined) => RequestAttempt;

function createCancellation(): Cancellation & { readonly abort: (reason?: unknown) => void } {
  let controller: AbortController | null = null;
  let aborted: { readonly reason: unknown } | null = null;
  let cancel: (reason: unknown) => void = () => {};
  return {
    get signal() {
      if (controller === null) {
        controller = new AbortController();
        if (aborted !== null) controller.abort(aborted.reason);
      }
      return controller.signal;
    },
    onCancel(given) {
      cancel = given;
      if (aborted !== null) cancel(aborted.reason);
    },
    abort(reason) {
      if (aborted !== null) return;
      aborted = { reason };
      cancel(reason);
      controller?.abort(reason);
    },
  };
}

export function createAttempts(startTimer: StartTimer): StartAttempt {
  return (caller) => {
    const cancellation = createCancellation();
    const abort = () => cancellation.abort(caller?.reason);
    if (caller?.aborted === true) abort();
    const forget = caller && onAbort(caller, abort);
    return {
      get signal() {
        return cancellation.signal;
      },
      onCancel: (cancel) => cancellation.onCancel(cancel),
      within: (ms, work) =>
        new Promise((resolve, reject) => {
          const cancelTimer = startTimer(ms, () => {
            const error = new DeadlineError(ms);
            reject(error);
            cancellation.abort(error);
          });
          work.then(
            (result) => {
              cancelTimer();
              resolve(result);
            },
            (error: unknown) => {
              cancelTimer();
              reject(error);
            },
          );
        }),
      end(outcome) {
        forget?.();
        if (outcome === "abort") cancellation.abort();
      },
    };
  };
}
