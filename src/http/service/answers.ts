import { z } from "@hono/zod-openapi";

import { environmentName } from "./environment-name.ts";

const ready = z
  .object({
    status: z.enum(["ready", "degraded"]),
    writeMs: z.number().optional().openapi({ description: "Only for senders with credentials" }),
    sweep: z
      .object({
        erasures: z.int().openapi({ description: "Erasures of which storage may still hold data" }),
        since: z.iso.datetime().nullable().openapi({ description: "When the first of them was recorded" }),
        attempts: z.int().openapi({ description: "Attempts of this process that failed in a row" }),
        error: z.string().nullable().openapi({ description: "Why the last of them failed" }),
      })
      .optional()
      .openapi({ description: "Only when degraded, and for senders with credentials" }),
  })
  .openapi("Ready");

const health = z.object({ status: z.literal("ok"), version: z.string() }).openapi("Health");

const index = z
  .object({
    name: z.literal("kilde"),
    version: z.string(),
    environment: environmentName,
    links: z.record(z.string(), z.string()),
  })
  .openapi("Index");

const problemType = z
  .object({ code: z.string(), status: z.int(), title: z.string(), remedy: z.string() })
  .openapi("ProblemType");

/** Schemas of the answers about the service, for /openapi.json. */
export const serviceAnswers = { ready, health, index, problemType };
