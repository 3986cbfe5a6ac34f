import type { Pipeline } from "../http/pipeline/pipeline.ts";
import type { Surface } from "../runtime/server/listen.ts";

/** The HTTP surface, called in this process. */
export interface InProcessSurface extends Surface {
  fetch(request: Request): Promise<Response>;
}

/** Answers requests until it is closed; then waits for those in flight. */
export function answerInProcess(pipeline: Pipeline, closing: AbortController): InProcessSurface {
  const underWay = new Set<Promise<unknown>>();
  return {
    async fetch(request) {
      const answer = pipeline.fetch(request);
      underWay.add(answer);
      try {
        return await answer;
      } finally {
        underWay.delete(answer);
      }
    },
    async close() {
      closing.abort();
      await Promise.allSettled(underWay);
    },
  };
}
