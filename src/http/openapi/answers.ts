import { z } from "@hono/zod-openapi";

/*
 * Schemas of what goes out, for /openapi.json. Answers are not validated: events leave the database as text.
 */

const version = z.int().min(0).openapi({ description: "1-based and gapless within a stream" });
const position = z.int().min(0);

export const appendedSchema = z
  .object({
    stream: z.string(),
    version: version.openapi({ description: "Version of the last event appended" }),
    position: position.openapi({ description: "Position of the last event appended" }),
    count: z.int().openapi({ description: "Events appended" }),
  })
  .openapi("Appended");

export const transactedSchema = z
  .object({ results: z.array(appendedSchema), position })
  .openapi("Transacted");

export const cloudEventSchema = z
  .looseObject({
    specversion: z.literal("1.0"),
    id: z
      .string()
      .openapi({ description: "Position of the event in its log: any event is a cursor", example: "42" }),
    source: z.string().openapi({ description: "Path of the log", example: "/events" }),
    logidentity: z.string().openapi({
      description: "Identity of the log: with the id it is a cursor, `<id>-<logidentity>`",
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
    originid: z.string().optional().openapi({ description: "`id` of an event that came as a CloudEvent" }),
    originsource: z.string().optional(),
    method: z.literal("DELETE").optional().openapi({ description: "The stream was erased" }),
    reason: z.string().optional().openapi({ description: "Why the stream was erased" }),
    datacontenttype: z.string().optional().openapi({ example: "application/json" }),
    data: z.unknown().optional(),
  })
  .openapi("Event");

export const streamInfoSchema = z
  .object({
    stream: z.string(),
    version,
    position: position.openapi({ description: "Position of the last event" }),
    time: z.string().openapi({ description: "When the last event was recorded" }),
    firstVersion: version.openapi({ description: "Events below it were truncated or erased" }),
    erased: z.boolean(),
  })
  .openapi("Stream");

export const problemSchema = z
  .looseObject({
    type: z.string().openapi({ example: "/problems/version-conflict" }),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    remedy: z.string().openapi({ description: "What to do about it" }),
    currentVersion: version.optional(),
    stream: z.string().optional(),
    head: position.optional(),
    log: z.string().optional().openapi({ description: "Identity of the log" }),
    parted: position.nullable().optional().openapi({
      description: "Position up to which the log holds the same events as before a restore; null: not known",
    }),
    limit: z.string().optional().openapi({ description: "Name of the limit that was exceeded" }),
    errors: z
      .array(
        z.object({ pointer: z.string().optional(), parameter: z.string().optional(), detail: z.string() }),
      )
      .optional()
      .openapi({ description: "The first 20 faults" }),
    errorCount: z.int().optional().openapi({ description: "How many faults there are" }),
  })
  .openapi("Problem", { description: "RFC 9457 problem details" });
