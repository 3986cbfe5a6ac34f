import type { Context } from "hono";

import { isAdmittedFreely } from "../../access/principal.ts";
import { cursorText } from "../../core/cursor.ts";
import type { PageAnswer } from "../../log/read/query.ts";
import { cacheControl, type PageCaching, type PageRequest } from "./caching.ts";
import { type Coding, codingOf } from "../wire/coding.ts";
import type { AppDeps } from "../deps.ts";
import { namesTag } from "../wire/entity-tags.ts";
import type { HeldAnswer } from "../wire/held-answer.ts";
import { linker } from "../wire/links.ts";
import { logHeaders } from "./log-identity.ts";
import type { Representation } from "../wire/negotiate.ts";
import { pageBody } from "./page-body.ts";
import type { LogQuery } from "./pages.ts";
import { principalOf } from "../pipeline/authorization.ts";
import type { RequestContext } from "../pipeline/pipeline.ts";
import { isHead } from "../pipeline/routes.ts";

/**
 * Header of a page that nothing followed when it was read. A client that stops there need not request an empty page.
 */
export const END_HEADER = "Kilde-End";

/** Smallest page that is worth compressing, in bytes. */
const COMPRESSION_THRESHOLD = 1_024;

function link(url: string, relation: string): string {
  return `<${url}>; rel="${relation}"`;
}

/** Returns the links of a page (RFC 8288). The last page has a `next` link too, for events that follow later. */
function pageLinks(
  c: Context,
  deps: AppDeps,
  page: PageAnswer,
  query: LogQuery,
  cacheKey: string | undefined,
): string {
  const here = linker(c, deps);
  const back = query.direction === "backwards";
  const cursor = (position: number) => cursorText(position, page.identity);
  const self = query.lastEventId === undefined ? {} : { lastEventId: cursor(query.lastEventId.position) };
  const links = [
    link(here(self), "self"),
    link(here({ lastEventId: undefined, cacheKey: undefined }), "first"),
  ];
  if (page.count > 0 && (page.full || !back))
    links.push(link(here({ lastEventId: cursor(page.last), cacheKey }), "next"));
  if (page.count > 0) {
    const direction = back ? undefined : "backwards";
    const backLink = {
      lastEventId: cursor(page.first),
      direction,
      timeout: undefined,
      cacheKey: undefined,
    };
    links.push(link(here(backLink), "prev"));
  }
  return links.join(", ");
}

/** The parts of the answer besides the events. */
export interface Answering {
  readonly query: LogQuery;
  readonly representation: Representation;
  readonly request: PageRequest;
  readonly caching: PageCaching;
  readonly held: HeldAnswer;
}

/**
 * Returns the entity tag of a page in one representation. The tag of a stream begins with its version, for
 * `If-Match`.
 */
function pageTag(
  { subject, identity, first, last, count, full }: PageAnswer,
  { representation: { framing }, caching: { generation } }: Answering,
  coding: Coding | null,
): string {
  const state = `${first}-${last}-${count}-${full ? "full" : "end"}-${generation}`;
  const form = coding === null ? framing : `${framing}-${coding}`;
  return subject === null
    ? `"${identity}-${state}-${form}"`
    : `"${subject.version}-${identity}-${state}-${form}"`;
}

/** Answers with a page, or with 304 if the client has this representation of it. */
export function pageResponse(c: Context, deps: AppDeps, page: PageAnswer, answering: Answering): Response {
  const { query, representation, request, caching, held } = answering;
  const { headers: asked } = c.req.raw;
  const { parts, bytes } = pageBody(page.parts, representation.framing);
  const coding = deps.compress && bytes >= COMPRESSION_THRESHOLD ? codingOf(c) : null;
  const isOpen = isAdmittedFreely(principalOf(c));
  const etag = pageTag(page, answering, coding);
  const headers: Record<string, string> = {
    "Content-Type": representation.mediaType,
    "Cache-Control": cacheControl(caching, request, { headers: asked, isOpen }, deps.limits.cacheSeconds),
    ETag: etag,
    Link: pageLinks(c, deps, page, query, caching.nextKey),
    Vary: "Accept, Accept-Encoding",
    "Kilde-Head": String(page.head),
    ...logHeaders(page.identity),
  };
  if (!page.full) headers[END_HEADER] = "true";
  const isKnown = !request.isDraft && namesTag(asked.get("if-none-match"), etag);
  if (!isKnown && coding !== null) headers["Content-Encoding"] = coding;
  if (isKnown || isHead(c)) {
    held.release();
    return c.body(null, isKnown ? 304 : 200, headers);
  }
  (c.env as RequestContext).bytes = bytes;
  const body = held.send(parts, bytes);
  if (coding === null) {
    if (bytes < COMPRESSION_THRESHOLD) headers["Content-Length"] = String(bytes);
    return new Response(body, { status: 200, headers });
  }
  const compressed = new Response(body).body?.pipeThrough(new CompressionStream(coding)) ?? null;
  return new Response(compressed, { status: 200, headers });
}
