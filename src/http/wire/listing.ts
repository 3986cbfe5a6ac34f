import { DEFAULT_PAGE_EVENTS } from "../../core/limits.ts";
import { utf8Bytes } from "../../core/names.ts";
import type { AppDeps } from "../deps.ts";
import { holdAnswer } from "./held-answer.ts";

const ENCODER = new TextEncoder();

/** Most bytes that an entry of a list has besides names: times, numbers, a short error. */
const ENTRY_BYTES = 1_024;

/** Entries of one page of a list: those that were asked for, or fewer, so that the page has at most `pageBytes`. */
export function listingLimit(asked: number | undefined, { limits }: AppDeps): number {
  const { pageEvents, pageBytes, streamNameBytes } = limits;
  const wanted = asked ?? Math.min(DEFAULT_PAGE_EVENTS, pageEvents);
  // JSON may escape each character of a name.
  return Math.max(1, Math.min(wanted, Math.floor(pageBytes / (ENTRY_BYTES + 2 * streamNameBytes))));
}

/** The first entries, as many as a page has bytes for, where entries differ much in size; at least one. */
export function fittingEntries<Entry>(entries: readonly Entry[], { limits }: AppDeps): readonly Entry[] {
  let bytes = 0;
  const end = entries.findIndex((entry, index) => {
    bytes += utf8Bytes(JSON.stringify(entry));
    return index > 0 && bytes > limits.pageBytes;
  });
  return end === -1 ? entries : entries.slice(0, end);
}

/** Bytes of memory that an entry of a list takes until it is sent, roughly. They are counted before the list is read. */
const USUAL_BYTES = 512;

/** Answers with a list of at most `limit` entries, whose bytes are counted until the client has read them. */
export async function listAnswer(
  deps: AppDeps,
  limit: number,
  read: () => Promise<{ readonly body: object; readonly headers: Readonly<Record<string, string>> }>,
): Promise<Response> {
  const held = holdAnswer(deps);
  try {
    held.admit(limit * USUAL_BYTES);
    const { body, headers } = await read();
    const bytes = ENCODER.encode(JSON.stringify(body));
    const common = { "Content-Type": "application/json", "Cache-Control": "no-cache" };
    return new Response(held.send([bytes], bytes.length), { headers: { ...common, ...headers } });
  } catch (error) {
    held.release();
    throw error;
  }
}
