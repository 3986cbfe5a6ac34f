import { z } from "@hono/zod-openapi";

import { cloudEventSchema, problemSchema } from "./answers.ts";

/*
 * What the descriptions of several operations have in common, for /openapi.json.
 */

export function json(schema: z.ZodType, description: string) {
  return { description, content: { "application/json": { schema } } };
}

/** A body, with an example that the operation accepts. */
export function jsonBody(schema: z.ZodType, example: object, required = true) {
  return { required, content: { "application/json": { schema, example } } };
}

export const problem = {
  description: "What went wrong, and what to do",
  content: { "application/problem+json": { schema: problemSchema } },
};

const namesLog = z.object({
  "kilde-log": z.string().openapi({
    description: "Identity of the log: a restore changes it, because positions then mean other events",
    example: "9f86d081884c7d65",
  }),
});

export const pages = {
  200: {
    description: "Events in order; an empty list is the end of the log, for now",
    headers: namesLog.extend({
      "kilde-end": z.literal("true").optional().openapi({
        description: "Nothing followed the page when it was read; readers stop here, or at an empty page",
      }),
    }),
    content: {
      "application/cloudevents-batch+json": { schema: z.array(cloudEventSchema) },
      "application/x-ndjson": { schema: z.string().openapi({ description: "The same events, one a line" }) },
      "text/event-stream": {
        schema: z.string().openapi({
          description:
            "Follows the log: `id` is the event's cursor, `event` its type, `data` the event as JSON. It ends when the log is restored",
        }),
      },
    },
  },
  default: problem,
};

/** What a read may show; see `position.ts`. */
export const shownPosition = z.object({
  "kilde-position": z
    .string()
    .regex(/^\d{1,16}$/)
    .optional()
    .openapi({
      description:
        "A position in the log that is read, which the answer must have: `Kilde-Position` of an append's answer, or `Kilde-Head` of an earlier read. A replica that does not have it is waited for, and then answered for with `replica-behind`. It says nothing for an event stream",
    }),
});

/** The identity that a write was decided on. */
export const decidedOn = z.object({
  "kilde-log": z.string().optional().openapi({
    description:
      "`Kilde-Log` of the answer that the request was decided on; refused with `log-restored` (409) if the log was restored since. An ETag in `If-Match` states it too",
  }),
});

/** The headers of an answer to an append. */
export const tellsPosition = {
  headers: namesLog.extend({
    "kilde-position": z.string().openapi({
      description: "Position up to which the event log is to be read to see what was appended",
    }),
  }),
};

export const readHeaders = shownPosition.extend({
  "last-event-id": z.string().optional().openapi({
    description:
      "Where an event stream was left: the `id` of its last event, as `lastEventId` takes it; wins over `lastEventId`",
  }),
});
