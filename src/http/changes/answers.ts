import { z } from "@hono/zod-openapi";

const head = z.int().min(0);

const changes = z
  .object({
    logs: z
      .record(z.string(), head)
      .optional()
      .openapi({ description: "New heads of the event log and of feeds, by path" }),
    operations: head.optional().openapi({ description: "New head of the log of administration" }),
    subscriptions: z.array(z.string()).optional().openapi({
      description: "Ids of subscriptions that were created, changed or removed, or that delivered something",
    }),
    consumers: z
      .literal(true)
      .optional()
      .openapi({ description: "Consumers read, committed or were forgotten" }),
    keys: z.int().optional().openapi({ description: "A number that differs after each change of a key" }),
  })
  .openapi("Changes");

/** Schemas of the stream of changes, for /openapi.json. */
export const changesAnswers = { changes };
