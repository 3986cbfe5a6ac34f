import type { Context } from "hono";

import { DEFAULT_PAGE_EVENTS } from "../../core/limits.ts";
import { utf8Bytes } from "../../core/names.ts";
import type { AppDeps } from "../deps.ts";
import type { RequestContext } from "../pipeline/pipeline.ts";
import { principalOf } from "../pipeline/authorization.ts";
import { holdAnswer } from "./held-answer.ts";

const ENCODER = new TextEncoder();

/** Most bytes of a list's entry besides names: times, numbers, a short error. */
const ENTRY_BYTES = 1_024;

/**
 * Returns the number of entries on a page of a list: as many as requested, or fewer, so that the page has at most
 * `pageBytes`.
 */
export function listingLimit(asked: number | undefined, { limits }: AppDeps): number {
  const { pageEvents, pageBytes, streamNameBytes } = limits;
  const wanted = asked ?? Math.min(DEFAULT_PAGE_EVENTS, pageEvents);
  // JSON may escape each character of a name.
  return Math.max(1, Math.min(wanted, Math.floor(pageBytes / (ENTRY_BYTES + 2 * streamNameBytes))));
}

/**
 * Returns the first entries that fit the bytes of a page, at least one. For lists whose entries differ much in size.
 */
export function fittingEntries<Entry>(entries: readonly Entry[], { limits }: AppDeps): readonly Entry[] {
  let bytes = 0;
  const end = entries.findIndex((entry, index) => {
    bytes += utf8Bytes(JSON.stringify(entry));
    return index > 0 && bytes > limits.pageBytes;
  });
  return end === -1 ? entries : entries.slice(0, end);
}

/** Approximate memory of a list's entry until it is sent, in bytes, counted before the list is read. */
const USUAL_BYTES = 512;

/** Answers with a list of at most `limit` entries, whose bytes count until the client has read them. */
export async function listAnswer(
  c: Context,
  deps: AppDeps,
  limit: number,
  read: () => Promise<{ readonly body: object; readonly headers: Readonly<Record<string, string>> }>,
): Promise<Response> {
  const held = holdAnswer(deps, principalOf(c));
  try {
    held.admit(limit * USUAL_BYTES);
    const { body, headers } = await read();
    const bytes = ENCODER.encode(JSON.stringify(body));
    (c.env as RequestContext).bytes = bytes.length;
    const common = { "Content-Type": "application/json", "Cache-Control": "no-cache" };
    return new Response(held.send([bytes], bytes.length), { headers: { ...common, ...headers } });
  } catch (error) {
    held.release();
    throw error;
  }
}
