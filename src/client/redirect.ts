/** Statuses with which `fetch` follows the `Location` of an answer. */
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/** Headers about a body, which a redirected request without one does not have. */
const OF_BODY = /^content-(encoding|language|location|type|length)$/i;
/** Headers for the origin that the client names, and for no other. */
const OF_ORIGIN = /^(authorization|proxy-authorization|cookie|host)$/i;

/**
 * Returns the request to which an answer redirects, by the rules of `fetch`
 * (https://fetch.spec.whatwg.org/#http-redirect-fetch); null for an answer that does not redirect. Throws a TypeError for
 * a location that is not an address.
 */
export function redirectOf(
  url: string,
  init: RequestInit,
  status: number,
  location: string | undefined,
): { readonly url: string; readonly init: RequestInit } | null {
  if (!REDIRECTS.has(status) || location === undefined) return null;
  const target = new URL(location, url);
  const { method = "GET", body, ...rest } = init;
  const isGet =
    status === 303
      ? method !== "GET" && method !== "HEAD"
      : (status === 301 || status === 302) && method === "POST";
  const isSameOrigin = target.origin === new URL(url).origin;
  const headers = Object.entries((init.headers ?? {}) as Record<string, string>).filter(
    ([name]) => !(isGet && OF_BODY.test(name)) && (isSameOrigin || !OF_ORIGIN.test(name)),
  );
  const next: RequestInit = { ...rest, method: isGet ? "GET" : method, headers: Object.fromEntries(headers) };
  if (!isGet && body !== undefined) next.body = body;
  return { url: target.href, init: next };
}
