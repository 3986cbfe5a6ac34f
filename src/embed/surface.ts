import type { Pipeline } from "../http/pipeline/pipeline.ts";
import type { Surface } from "../runtime/server/listen.ts";

/** The HTTP surface, called in this process. */
export interface InProcessSurface extends Surface {
  /** Trusts the caller. */
  fetch(request: Request): Promise<Response>;
  /** Identifies the caller by the credentials of the request, and refuses requests without any. */
  guardedFetch(request: Request): Promise<Response>;
}

/** Answers requests until it is closed; then waits for those in flight. */
export function answerInProcess(
  pipelines: { readonly trusting: Pipeline; readonly guarded: Pipeline },
  closing: AbortController,
): InProcessSurface {
  const underWay = new Set<Promise<unknown>>();
  const answer = async (pipeline: Pipeline, request: Request): Promise<Response> => {
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
