import { z } from "@hono/zod-openapi";

import { problemSchema } from "../openapi/problem.ts";

const version = z.int().min(0).openapi({ description: "1-based and gapless within a stream" });
const position = z.int().min(0);

const appended = z
  .object({
    stream: z.string(),
    version: version.openapi({ description: "Version of the last event appended" }),
    position: position.openapi({ description: "Position of the last event appended" }),
    count: z.int().openapi({ description: "Events appended" }),
  })
  .openapi("Appended");

/** One object, not a union, which generators of clients handle worse. */
const appendOutcome = problemSchema
  .partial()
  .extend(appended.partial().shape)
  .extend({
    status: z.int().openapi({ description: "201: appended; any other is that of the problem", example: 201 }),
    replayed: z.literal(true).optional().openapi({
      description: "An earlier append with the same key wrote the events; this one wrote nothing",
    }),
  })
  .openapi("AppendOutcome", {
    description: "Of an append: its result if the status is 201, or else its problem",
  });

const transacted = z.object({ results: z.array(appended), position }).openapi("Transacted");

const streamInfo = z
  .object({
    stream: z.string(),
    version,
    position: position.openapi({ description: "Position of the last event" }),
    time: z.string().openapi({ description: "When the last event was recorded" }),
    firstVersion: version.openapi({ description: "Events below it were truncated or erased" }),
    erased: z.boolean(),
  })
  .openapi("Stream");

const removed = z
  .object({
    stream: z.string(),
    version: z.int().openapi({ description: "Version of the last event" }),
    firstVersion: z
      .int()
      .optional()
      .openapi({ description: "Of a truncation: the first version that is left" }),
    position: z.int().optional().openapi({ description: "Of an erasure: position of the tombstone" }),
  })
  .openapi("Removed");

/** Schemas of the answers about streams, for /openapi.json. */
export const streamAnswers = { appended, appendOutcome, transacted, streamInfo, removed };
