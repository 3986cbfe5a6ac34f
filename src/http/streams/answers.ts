import { z } from "@hono/zod-openapi";

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
export const streamAnswers = { appended, transacted, streamInfo, removed };
