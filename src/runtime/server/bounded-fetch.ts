import type { Clock } from "../../core/clock.ts";

/**
 * Returns a `fetch` that fails when the whole answer has not arrived within `ms` milliseconds. The server may still
 * have carried out the request, or may do so later.
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
