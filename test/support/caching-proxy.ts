/** Forwards a request to the origin. */
export type Origin = (url: string, init: RequestInit) => Promise<Response>;

interface Stored {
  readonly status: number;
  headers: Headers;
  readonly body: Uint8Array;
  /** Of the request, by the names in `Vary`. */
  readonly selecting: ReadonlyMap<string, string | null>;
  storedMs: number;
}

export interface CachingProxy {
  /** As `fetch`, through the cache. */
  readonly fetch: (input: string | URL | Request, init?: RequestInit) => Promise<Response>;
  /** Answers from the cache without a request to the origin, and after the origin answered 304. */
  readonly counts: { hits: number; validated: number; passed: number };
  /** Lets time pass. */
  advance(ms: number): void;
}

/** Hop-by-hop, or about a body as it was on the wire. */
const DROPPED = new Set(["connection", "transfer-encoding", "content-length"]);

function directive(headers: Headers, name: string): string | null {
  const found = new RegExp(`(?:^|[,\\s])${name}(?:=(\\d+))?(?=$|[,\\s])`).exec(
    headers.get("cache-control") ?? "",
  );
  return found === null ? null : (found[1] ?? "");
}

/**
 * A shared HTTP cache (RFC 9111) that keeps and reuses all that it is allowed to: it serves fresh answers, names every
 * stored variant of a URL when it asks the origin, and takes the one whose entity tag a 304 names. So it shows which answers
 * allow too much.
 */
export function createCachingProxy(origin: Origin): CachingProxy {
  const stored = new Map<string, Stored[]>();
  const counts = { hits: 0, validated: 0, passed: 0 };
  let nowMs = 0;

  const answer = ({ status, headers, body, storedMs }: Stored, asked: Headers): Response => {
    const etag = headers.get("etag");
    const named = asked.get("if-none-match");
    if (etag !== null && named !== null && named.includes(etag))
      return new Response(null, { status: 304, headers });
    const given = new Headers(headers);
    given.set("age", String(Math.floor((nowMs - storedMs) / 1_000)));
    return new Response(body.slice(), { status, headers: given });
  };

  const isFresh = ({ headers, storedMs }: Stored) => {
    if (directive(headers, "no-cache") !== null) return false;
    const maxAge = directive(headers, "s-maxage") ?? directive(headers, "max-age");
    return maxAge !== null && nowMs - storedMs < Number(maxAge) * 1_000;
  };

  const keep = (url: string, asked: Headers, response: Response, body: Uint8Array): Stored => {
    const headers = new Headers([...response.headers].filter(([name]) => !DROPPED.has(name)));
    const names = (headers.get("vary") ?? "").split(",").flatMap((name) => name.trim().toLowerCase() || []);
    const selecting = new Map(names.map((name) => [name, asked.get(name)]));
    const one = { status: response.status, headers, body, selecting, storedMs: nowMs };
    const mayStore =
      response.status === 200 &&
      directive(headers, "no-store") === null &&
      directive(headers, "private") === null &&
      !names.includes("*");
    if (mayStore) {
      const others = (stored.get(url) ?? []).filter(
        (other) => ![...other.selecting].every(([name, value]) => asked.get(name) === value),
      );
      stored.set(url, [...others, one]);
    }
    return one;
  };

  return {
    counts,
    advance: (ms) => (nowMs += ms),
    async fetch(input, init) {
      const request = new Request(input, init);
      const { url, headers: asked, method } = request;
      const body = method === "GET" || method === "HEAD" ? null : await request.arrayBuffer();
      if (method !== "GET" || asked.get("accept")?.includes("event-stream") === true) {
        counts.passed += 1;
        return origin(url, { method, headers: asked, body, signal: request.signal });
      }
      const variants = stored.get(url) ?? [];
      const matching = variants.find(({ selecting }) =>
        [...selecting].every(([name, value]) => asked.get(name) === value),
      );
      if (matching !== undefined && isFresh(matching) && directive(asked, "no-cache") === null) {
        counts.hits += 1;
        return answer(matching, asked);
      }
      const forwarded = new Headers(asked);
      const tags = variants.flatMap(({ headers }) => headers.get("etag") ?? []);
      if (tags.length > 0) forwarded.set("if-none-match", tags.join(", "));
      const response = await origin(url, { method, headers: forwarded, signal: request.signal });
      if (response.status === 304) {
        const tag = response.headers.get("etag");
        const confirmed = variants.find(({ headers }) => headers.get("etag") === tag);
        if (confirmed === undefined) return response;
        counts.validated += 1;
        const merged = new Headers(confirmed.headers);
        for (const [name, value] of response.headers) if (!DROPPED.has(name)) merged.set(name, value);
        confirmed.headers = merged;
        confirmed.storedMs = nowMs;
        return answer(confirmed, asked);
      }
      counts.passed += 1;
      const bytes = new Uint8Array(await response.arrayBuffer());
      return answer(keep(url, asked, response, bytes), asked);
    },
  };
}
