import { z } from "@hono/zod-openapi";

const event = z
  .looseObject({
    specversion: z.literal("1.0"),
    id: z
      .string()
      .openapi({ description: "Position of the event in its log: any event is a cursor", example: "42" }),
    source: z.string().openapi({ description: "Path of the log", example: "/events" }),
    logidentity: z.string().openapi({
      description: "Identity of the log; `<id>-<logidentity>` is a cursor",
      example: "9f86d081884c7d65",
    }),
    type: z.string(),
    subject: z.string().openapi({ description: "The stream" }),
    time: z.string().openapi({ description: "When it happened, or else when it was recorded" }),
    recordedtime: z
      .string()
      .optional()
      .openapi({ description: "When it was recorded, if `time` is the producer's" }),
    sequence: z.string().openapi({ description: "Version within the stream, padded to sort as text" }),
    correlationid: z.string().optional(),
    causationid: z.string().optional(),
    traceparent: z.string().optional(),
    tracestate: z.string().optional(),
    metadata: z.string().optional().openapi({ description: "JSON text of the free members of `metadata`" }),
    projectedfrom: z
      .string()
      .optional()
      .openapi({ description: "In a feed: position in the event log of the event it was published for" }),
    originid: z
      .string()
      .optional()
      .openapi({ description: "`id` of the event when it was appended as a CloudEvent" }),
    originsource: z.string().optional(),
    method: z.literal("DELETE").optional().openapi({ description: "The stream was erased" }),
    reason: z.string().optional().openapi({ description: "Why the stream was erased" }),
    datacontenttype: z.string().optional().openapi({ example: "application/json" }),
    data: z.unknown().optional(),
  })
  .openapi("Event");

const correlated = z.object({
  events: z.array(event),
  indexed: z.int().openapi({ description: "Position up to which correlations are indexed" }),
  head: z.int().openapi({ description: "Position of the last event" }),
  next: z.int().nullable().openapi({ description: "`after` of the next page; null: nothing follows" }),
});

/**
 * Schemas of the answers about events, for /openapi.json. Nothing validates with them: events leave the database as
 * text.
 */
export const logAnswers = { event, correlated };
