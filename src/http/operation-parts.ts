import { z } from "@hono/zod-openapi";

import { cloudEventSchema, problemSchema } from "./answers.ts";

/*
 * What the descriptions of several operations have in common, for /openapi.json.
 */

export function json(schema: z.ZodType, description: string) {
  return { description, content: { "application/json": { schema } } };
}

export const problem = {
  description: "What went wrong, and what to do",
  content: { "application/problem+json": { schema: problemSchema } },
};

export const pages = {
  200: {
    description: "Events in order; an empty list is the end of the log, for now",
    content: {
      "application/cloudevents-batch+json": { schema: z.array(cloudEventSchema) },
      "application/x-ndjson": { schema: z.string().openapi({ description: "The same events, one a line" }) },
      "text/event-stream": {
        schema: z.string().openapi({
          description: "Follows the log: `id` is the event's id, `event` its type, `data` the event as JSON",
        }),
      },
    },
  },
  default: problem,
};

export const lastEventId = z.object({
  "last-event-id": z
    .string()
    .optional()
    .openapi({ description: "Where an event stream was left; wins over `lastEventId`" }),
});
