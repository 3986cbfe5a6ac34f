import { z } from "@hono/zod-openapi";

const version = z.int().min(0).openapi({ description: "1-based and gapless within a stream" });
const position = z.int().min(0);

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
    retryAfterSeconds: z.int().min(0).optional().openapi({
      description: "Delay before another attempt, in seconds, where one may succeed",
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
