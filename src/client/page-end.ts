import { parseUrl } from "../core/parse-url.ts";
import type { Reply } from "./http-transport.ts";

/**
 * How a reader of pages continues, and when it stops. A log ends at an empty page, or at a page whose answer is
 * marked as the end. Nothing else shows the end: HTTP caches may serve a page that was full at the end of the log,
 * with its old headers, after the log has grown.
 */

/**
 * Header of an answer: no event followed the page when it was read. Only answers that caches must revalidate have it.
 */
export const END_HEADER = "Kilde-End";

/** Whether an answer is marked as the end of the log. */
export function saysEnd({ headers }: Pick<Reply, "headers">): boolean {
  return headers.get(END_HEADER) === "true";
}

/** Query parameters of the next page: its start, and the cache key. */
export interface NextPage {
  readonly lastEventId: string;
  readonly cacheKey: string | undefined;
}

const NEXT_LINK = /<([^>]*)>\s*;\s*rel="?next"?/;

/** The next page that an answer links to (RFC 8288); null when it has no link, or a proxy removed the link. */
export function nextPageOf({ headers }: Pick<Reply, "headers">): NextPage | null {
  const target = NEXT_LINK.exec(headers.get("link") ?? "")?.[1];
  const query = target === undefined ? null : (parseUrl(target, "http://kilde")?.searchParams ?? null);
  const lastEventId = query?.get("lastEventId") ?? null;
  return lastEventId === null ? null : { lastEventId, cacheKey: query?.get("cacheKey") ?? undefined };
}

/**
 * Whether a list may continue after a page. The server links to the next page if there is one; where a proxy removed
 * the header, only an empty page ends a list. Lists are never cached.
 */
export function mayContinue({ headers }: Pick<Reply, "headers">): boolean {
  const link = headers.get("link");
  return link === null || NEXT_LINK.test(link);
}
