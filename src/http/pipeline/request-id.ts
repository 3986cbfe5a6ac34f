export const REQUEST_ID_HEADER = "X-Request-Id";

const WELL_FORMED = /^[\w\-=]{1,255}$/;

/** Returns the id that a caller or proxy gave the request, or else a new one. Answers and logs carry it. */
export function requestIdOf(headers: Headers): string {
  const given = headers.get(REQUEST_ID_HEADER);
  return given !== null && WELL_FORMED.test(given) ? given : crypto.randomUUID();
}
