import { accepts } from "hono/accepts";
import type { Context } from "hono";

import { KildeError } from "../core/errors.ts";
import type { Framing } from "../log/render.ts";

/** Media types a log can be read as, the first being the one without preference. */
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

function rangeMatches(range: string, mediaType: string): boolean {
  const [type] = mediaType.split("/", 1);
  return range === mediaType || range === "*/*" || range === `${type ?? ""}/*`;
}

/** How a log is to be written for this request (RFC 9110 §12.5.1). */
export function representationOf(c: Context): Representation {
  const header = c.req.raw.headers.get("accept");
  if (header === null || header === "*/*") return REPRESENTATIONS[READABLE[0]];
  const match = accepts(c, {
    header: "Accept",
    supports: [...READABLE],
    default: "",
    match: (ranges) => {
      const preferred = ranges.filter(({ q }) => q > 0).toSorted((a, b) => b.q - a.q);
      for (const { type } of preferred) {
        const found = READABLE.find((mediaType) => rangeMatches(type, mediaType));
        if (found !== undefined) return found;
      }
      return "";
    },
  });
  const readable = READABLE.find((mediaType) => mediaType === match);
  if (readable === undefined) throw new KildeError("not-acceptable", `The request accepts ${header}`);
  return REPRESENTATIONS[readable];
}
