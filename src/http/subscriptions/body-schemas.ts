import { z } from "@hono/zod-openapi";

import type { Limits } from "../../core/limits.ts";
import { OVERLAP_SECONDS } from "../../webhooks/subscriptions/reconfigure.ts";
import { MOST_SUBJECTS } from "../../webhooks/subscriptions/redelivery.ts";
import { nameSchema } from "../wire/name-schema.ts";
import { hasNoNul, NUL_FAULT } from "../wire/no-nul.ts";

/** A week, the longest overlap that a receiver should have to support. */
const MOST_OVERLAP_SECONDS = 7 * 24 * 3_600;

const position = z.int().min(0).max(Number.MAX_SAFE_INTEGER);

/** The bytes of a secret in base64, and its padding. */
const SECRET_PATTERN =
  "^(whsec_([A-Za-z0-9+/]{4}){8,21}|whsk_([A-Za-z0-9+/]{4}){21})([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$";

export const secret = z.string().openapi({
  pattern: SECRET_PATTERN,
  description: "`whsec_…` or `whsk_…` (Standard Webhooks); generated unless given",
});

const pauseBody = z
  .strictObject({
    reason: z
      .string()
      .min(1)
      .max(200)
      .refine(hasNoNul, NUL_FAULT)
      .optional()
      .openapi({ description: "Unless given, the reason that the request states, or `requested`" }),
  })
  .openapi("Pause");

function rewindSchema({ streamNameBytes }: Limits) {
  return z
    .strictObject({
      after: position
        .default(0)
        .openapi({ description: "Events after this position; 0: from the beginning" }),
      upTo: position
        .optional()
        .openapi({ description: "And up to this one; unless given, all delivered so far" }),
      subjects: z
        .array(nameSchema(streamNameBytes))
        .min(1)
        .max(MOST_SUBJECTS)
        .optional()
        .openapi({ description: "Only of these subjects" }),
      dryRun: z
        .boolean()
        .default(false)
        .openapi({ description: "Only count the events that would be delivered again" }),
    })
    .openapi("Rewind");
}

const rotation = z
  .strictObject({
    secret: secret.optional(),
    overlapSeconds: z
      .int()
      .min(0)
      .max(MOST_OVERLAP_SECONDS)
      .default(OVERLAP_SECONDS)
      .openapi({ description: "How long the old secret signs beside the new one" }),
  })
  .openapi("Rotation");

const skipBody = z
  .strictObject({
    sequence: z
      .union(
        [
          z.int().min(1),
          z
            .string()
            .regex(/^\d{1,16}$/)
            .transform(Number),
        ],
        {
          error: "must be a sequence, as a number or as `blocked` writes it",
        },
      )
      .optional()
      .openapi({
        type: "string",
        pattern: "^[0-9]{1,15}$",
        description: "Only if this is the event that blocks the subject",
      }),
  })
  .openapi("Skip");

/** Creates the schemas that validate the bodies of operations on a subscription. */
export function subscriptionBodySchemas(limits: Limits) {
  return { pauseBody, rewindBody: rewindSchema(limits), rotation, skipBody };
}
