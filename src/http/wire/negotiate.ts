import { accepts } from "hono/accepts";
import type { Context } from "hono";

import { KildeError } from "../../core/errors.ts";
import type { Framing } from "../../log/read/render.ts";

/** Media types of a log, the default first. */
const READABLE = [
  "application/cloudevents-batch+json",
  "application/json",
  "application/x-ndjson",
  "text/event-stream",
] as const;

type Readable = (typeof READABLE)[number];

export interface Representation {
  readonly mediaType: string;
  readonly framing: Framing;
}

const REPRESENTATIONS: Readonly<Record<Readable, Representation>> = {
  "application/cloudevents-batch+json": { mediaType: "application/cloudevents-batch+json", framing: "array" },
  "application/json": { mediaType: "application/cloudevents-batch+json", framing: "array" },
  "application/x-ndjson": { mediaType: "application/x-ndjson", framing: "lines" },
  "text/event-stream": { mediaType: "text/event-stream", framing: "event-stream" },
};

/**
 * Returns how specifically a media range matches a media type: 3: by its name, 2: by its main type, 1: as any type,
 * 0: not at all.
 */
function specificity(range: string, mediaType: string): number {
  if (range === mediaType) return 3;
  if (range === `${mediaType.slice(0, mediaType.indexOf("/"))}/*`) return 2;
  return range === "*/*" || range === "*" ? 1 : 0;
}

interface Preference {
  readonly mediaType: Readable;
  readonly q: number;
  /** Place in the header of the deciding range. */
  readonly place: number;
}

/** Returns the preference of the most specific range for a media type (RFC 9110 §12.5.1); null: no range matches. */
function preferenceFor(
  mediaType: Readable,
  ranges: readonly { type: string; q: number }[],
): Preference | null {
  let best: Preference | null = null;
  let bestSpecificity = 0;
  for (const [place, { type, q }] of ranges.entries()) {
    const found = specificity(type.toLowerCase(), mediaType);
    if (found > bestSpecificity) {
      best = { mediaType, q, place };
      bestSpecificity = found;
    }
  }
  return best;
}

/** Returns the readable media type with the highest quality; among equals the first in the header. */
function preferred(ranges: readonly { type: string; q: number }[]): Readable | "" {
  const [best] = READABLE.flatMap((mediaType) => preferenceFor(mediaType, ranges) ?? [])
    .filter(({ q }) => q > 0)
    .toSorted((one, other) => other.q - one.q || one.place - other.place);
  return best?.mediaType ?? "";
}

/** Returns the representation that a request accepts (RFC 9110 §12.5.1). Ignores parameters of media types. */
export function representationOf(c: Context): Representation {
  const header = c.req.raw.headers.get("accept")?.trim() ?? "";
  if (header === "" || header === "*/*") return REPRESENTATIONS[READABLE[0]];
  const supports = [...READABLE];
  const match = accepts(c, { header: "Accept", supports, default: "", match: preferred });
  const readable = READABLE.find((mediaType) => mediaType === match);
  if (readable === undefined) throw new KildeError("not-acceptable", `The request accepts ${header}`);
  return REPRESENTATIONS[readable];
}
