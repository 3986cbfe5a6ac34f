import type { Pipeline } from "../http/pipeline/pipeline.ts";
import type { Surface } from "../runtime/server/listen.ts";

/** The HTTP surface, called in this process. */
export interface InProcessSurface extends Surface {
  /** Trusts the caller. */
  fetch(request: Request): Promise<Response>;
  /** Identifies the caller by the credentials of the request, and refuses requests without any. */
  guardedFetch(request: Request): Promise<Response>;
}

/**
 * Requests by their signals. The signal of a request in Node 20 aborts only while something holds the request itself, and an
 * event stream holds the signal alone: without this, the stream of a follower that stopped would stay open.
 */
const requestOf = new WeakMap<AbortSignal, Request>();

/** Answers requests until it is closed; then waits for those in flight. */
export function answerInProcess(
  pipelines: { readonly trusting: Pipeline; readonly guarded: Pipeline },
  closing: AbortController,
): InProcessSurface {
  const underWay = new Set<Promise<unknown>>();
  const answer = async (pipeline: Pipeline, request: Request): Promise<Response> => {
    // Only reads wait for a signal. Bun creates one when it is asked for, which appends should not pay for.
    if (request.method === "GET") requestOf.set(request.signal, request);
    const answered = pipeline.fetch(request);
    underWay.add(answered);
    try {
      return await answered;
    } finally {
      underWay.delete(answered);
    }
  };
  return {
    fetch: (request) => answer(pipelines.trusting, request),
    guardedFetch: (request) => answer(pipelines.guarded, request),
    async close() {
      closing.abort();
      await Promise.allSettled(underWay);
    },
  };
}
