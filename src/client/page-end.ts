/*
 * How a reader of pages knows where to go on, and when to stop. A log ends where a page is empty, or where the answer says
 * so. Nothing else shows it: a page that was full at the end of the log is served by HTTP caches when the log has grown,
 * with the headers of then.
 */

/** In answers: nothing followed the page when it was read. Only answers that caches must validate have it. */
export const END_HEADER = "Kilde-End";

/** Whether the answer says that nothing follows it. */
export function saysEnd({ headers }: Pick<Response, "headers">): boolean {
  return headers.get(END_HEADER) === "true";
}

/** Query parameters of the next page: where it begins, and what lets caches keep it. */
export interface NextPage {
  readonly lastEventId: string;
  readonly cacheKey: string | undefined;
}

const NEXT_LINK = /<([^>]*)>\s*;\s*rel="?next"?/;

/** The next page that an answer links to (RFC 8288); null: it links to none, or a proxy took the link away. */
export function nextPageOf({ headers }: Pick<Response, "headers">): NextPage | null {
  const target = NEXT_LINK.exec(headers.get("link") ?? "")?.[1];
  const query = target === undefined ? null : (URL.parse(target, "http://kilde")?.searchParams ?? null);
  const lastEventId = query?.get("lastEventId") ?? null;
  return lastEventId === null ? null : { lastEventId, cacheKey: query?.get("cacheKey") ?? undefined };
}

/**
 * Whether a list may continue after a page. The server links to the next page where there is one; where a proxy took the
 * header away, only an empty page ends a list. Lists are never cached.
 */
export function mayContinue({ headers }: Pick<Response, "headers">): boolean {
  const link = headers.get("link");
  return link === null || NEXT_LINK.test(link);
}
