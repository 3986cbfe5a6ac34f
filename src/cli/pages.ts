import type { Answer } from "../client/answer.ts";
import { createPageLimit } from "../client/page-limit.ts";
import { type NextPage, nextPageOf, saysEnd } from "../client/page-end.ts";
import type { Server } from "./server.ts";

/** Events of one page as the server sent them: CloudEvents, one per line. */
export interface LinesPage {
  readonly lines: readonly string[];
  /** Position of the last event. */
  readonly last: number;
  /** Position of the last event of the log when the page was read. */
  readonly head: number;
}

/** Most events per page: the server's own default, which every server allows. */
const PAGE_EVENTS = 1_000;

interface Page extends LinesPage {
  readonly isLast: boolean;
  readonly next: NextPage | null;
}

export function positionOf(line: string): number {
  const id = /^\{"specversion":"1\.0","id":"(\d+)"/.exec(line)?.[1];
  return Number(id ?? (JSON.parse(line) as { id: unknown }).id);
}

function pageOf(response: Answer, text: string, most: number): Page {
  const all = text.split("\n");
  if (all.at(-1) === "") all.pop();
  const lines = all.slice(0, most);
  const last = lines.at(-1);
  return {
    lines,
    last: last === undefined ? 0 : positionOf(last),
    head: Number(response.headers.get("kilde-head") ?? 0),
    isLast: lines.length === 0 || saysEnd(response),
    next: nextPageOf(response),
  };
}

/** Reads the log or a stream to its end, or `most` events of it, one page ahead of the caller. */
export async function* readPages(
  { request }: Server,
  path: string,
  query: URLSearchParams,
  most = Number.POSITIVE_INFINITY,
): AsyncGenerator<LinesPage, void, undefined> {
  const fetchPage = async (place: Partial<NextPage>, left: number): Promise<Page> => {
    const parameters = new URLSearchParams(query);
    if (place.lastEventId !== undefined) parameters.set("lastEventId", place.lastEventId);
    if (place.cacheKey !== undefined) parameters.set("cacheKey", place.cacheKey);
    const headers = { accept: "application/x-ndjson" };
    return pageLimit(left < PAGE_EVENTS ? left : undefined, (limit) => {
      if (limit === undefined) parameters.delete("limit");
      else parameters.set("limit", String(limit));
      return request(`${path}?${parameters}`, { headers }, async (response) =>
        pageOf(response, await response.text(), left),
      );
    });
  };

  const pageLimit = createPageLimit();
  let left = most;
  let next: Promise<Page> | null = left > 0 ? fetchPage({}, left) : null;
  while (next !== null) {
    const page: Page = await next;
    left -= page.lines.length;
    const place = page.next ?? { lastEventId: String(page.last) };
    next = left > 0 && !page.isLast ? fetchPage(place, left) : null;
    // The caller may stop here, and then nothing awaits the page requested ahead.
    next?.catch(() => {});
    if (page.lines.length > 0) yield page;
  }
}
