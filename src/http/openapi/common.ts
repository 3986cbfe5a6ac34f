import { z } from "@hono/zod-openapi";

import { logAnswers } from "../log/answers.ts";
import { MOST_REASON_LENGTH } from "../pipeline/stated-reason.ts";
import { problemSchema } from "./problem.ts";

/*
 * Parts that the descriptions of several operations share.
 */

const entityTag = z
  .string()
  .openapi({ description: "Entity tag of the answer", example: '"5-9f86d081884c7d65"' });

/** The identity of the log in an answer. */
export const logHeader = z.object({
  "Kilde-Log": z.string().openapi({
    description: "Identity of the log: a restore changes it, because positions then mean other events",
    example: "9f86d081884c7d65",
  }),
});

const links = z.object({
  Link: z.string().openapi({ description: "RFC 8288 links; `rel=next` leads to the entries that follow" }),
});

export function json(schema: z.ZodType, description: string) {
  return { description, content: { "application/json": { schema } } };
}

/** A body, with an example that the operation accepts. */
export function jsonBody(schema: z.ZodType, example: object, required = true) {
  return { required, content: { "application/json": { schema, example } } };
}

/** Any failure. */
export const problem = {
  description: "The request failed; the body states why, and what to do",
  content: { "application/problem+json": { schema: problemSchema } },
};

/** A list in one member of an object. */
export function list(name: string, schema: z.ZodType, description: string) {
  return { 200: json(z.object({ [name]: z.array(schema) }), description), default: problem };
}

/** A page of a list, in one member of an object. */
export function listed(name: string, schema: z.ZodType, description: string) {
  const { 200: page, ...others } = list(name, schema, description);
  return { 200: { ...page, headers: links }, ...others };
}

/** The answer of an append. */
export const appendHeaders = logHeader.extend({
  "Kilde-Position": z.string().openapi({
    description: "Position that a read of the event log must reach to include the append",
  }),
  "Idempotency-Replayed": z.literal("true").optional().openapi({
    description: "An earlier request with the same key wrote the events; this one wrote nothing",
  }),
});

/** The answer with the outcomes of many appends. */
export const bulkHeaders = z.object({
  "Kilde-Log": logHeader.shape["Kilde-Log"].optional(),
  "Kilde-Position": appendHeaders.shape["Kilde-Position"].optional(),
});

/** The answer of an append to one stream. */
export const streamAppendHeaders = appendHeaders.extend({
  ETag: entityTag,
  Location: z.string().openapi({ description: "Path of the stream" }),
});

/** The headers of a page of events. */
const pageHeaders = logHeader.extend({
  ETag: entityTag,
  Link: z.string().openapi({ description: "RFC 8288 links: `self`, `first`, `next` and `prev`" }),
  "Kilde-Head": z.string().openapi({ description: "Position of the last event of the log" }),
  "Kilde-End": z.literal("true").optional().openapi({
    description: "Nothing followed the page when it was read; readers stop here, or at an empty page",
  }),
});

/** The answers to a read of a log. */
export const pages = {
  200: {
    description: "Events in order; an empty list is the end of the log, for now",
    headers: pageHeaders,
    content: {
      "application/cloudevents-batch+json": { schema: z.array(logAnswers.event) },
      "application/x-ndjson": {
        schema: z.string().openapi({ description: "The same events, one per line" }),
      },
      "text/event-stream": {
        schema: z.string().openapi({
          description:
            "Follows the log: `id` is the event's cursor, `event` its type, `data` the event as JSON. A client that reconnects sends the last `id` as the header `Last-Event-ID`, which takes precedence over `lastEventId`. The stream ends when the log is restored",
        }),
      },
    },
  },
  304: {
    description: "The client has this page: `If-None-Match` states its ETag",
    headers: pageHeaders,
  },
  default: problem,
};

/** The position that a read must include. */
const knownPosition = z.object({
  "kilde-position": z
    .string()
    .regex(/^[0-9]{1,15}$/)
    .optional()
    .openapi({
      description:
        "A position in the log that the answer must include: `Kilde-Position` of an append's answer, or `Kilde-Head` of an earlier read. Kilde waits for a replica that does not have the position yet, and then answers `replica-behind`. An event stream ignores it",
    }),
});

/** The headers of a request that lists the subjects of a log. */
export const listHeaders = knownPosition;

/** The headers of a request that reads or follows a log. */
export const readHeaders = knownPosition.extend({
  "kilde-consumer": z.string().min(1).optional().openapi({
    description: "Name of the consumer, percent-encoded unless it is ASCII, for the list of consumers",
  }),
  "if-none-match": z.string().optional().openapi({
    description: "ETag of the page that the client has; the answer is 304 if the page is the same",
  }),
});

/** The header of a write with the log identity that the client decided on. */
export const decidedOn = z.object({
  "kilde-log": z.string().optional().openapi({
    pattern: "^[0-9a-f]{16}$",
    description:
      "`Kilde-Log` of the answer that the request was decided on; refused with `log-restored` (409) if the log was restored since. An ETag in `If-Match` states it too",
  }),
});

/** The header of a request that the log of administration records. */
export const reasonHeader = z.object({
  "kilde-reason": z
    .string()
    .optional()
    .openapi({
      description: `Why, for the log of administration: at most ${MOST_REASON_LENGTH} characters, as a display string (RFC 9651) unless they are ASCII`,
      example: "asked by support, case 812",
    }),
});
