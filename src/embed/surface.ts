import { KildeError } from "../core/errors.ts";
import type { Surface } from "../runtime/server/listen.ts";

/** The HTTP surface, called in this process. */
export interface InProcessSurface extends Surface {
  fetch(request: Request): Promise<Response>;
}

/** Answers requests until it is closed; then waits for those under way. */
export function answerInProcess(
  handle: (request: Request) => Response | Promise<Response>,
  refuse: (request: Request, error: KildeError) => Response,
  closing: AbortController,
): InProcessSurface {
  const underWay = new Set<Promise<unknown>>();
  return {
    async fetch(request) {
      if (closing.signal.aborted) {
        return refuse(request, new KildeError("shutting-down", "This Kilde was closed"));
      }
      const answer = handle(request);
      if (answer instanceof Response) return answer;
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
