import type { Clock } from "../../core/clock.ts";

/**
 * A `fetch` that gives up: an answer that has not arrived whole within so many milliseconds fails. What was asked for
 * may have been done, or may be done later.
 */
export function boundedFetch(clock: Clock, ms: number): (request: Request) => Promise<Response> {
  return async (request) => {
    const over = new AbortController();
    const late = new AbortController();
    void clock.sleep(ms, over.signal).then(() => {
      if (!over.signal.aborted) late.abort(new Error(`no answer within ${ms} ms`));
    });
    try {
      const response = await fetch(request, { signal: late.signal });
      const body = await response.arrayBuffer();
      const { status, statusText, headers } = response;
      return new Response(body, { status, statusText, headers });
    } finally {
      over.abort();
    }
  };
}
