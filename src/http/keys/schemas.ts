import { z } from "@hono/zod-openapi";

import type { Limits } from "../../core/limits.ts";
import { wholeNumber } from "../wire/whole-number.ts";

const MOST_OVERLAP_SECONDS = 366 * 24 * 3_600;
const OVERLAP_SECONDS = 24 * 3_600;

const expires = z.iso
  .datetime({ offset: true, message: "must be a time as RFC 3339 writes it, with an offset" })
  .transform(Date.parse)
  .nullable()
  .openapi({ type: ["string", "null"], format: "date-time", description: "Null: never" });

/** `access` checks the values of its members. */
const newKey = z
  .strictObject({
    name: z.string().openapi({ description: "Unique among the valid keys", example: "cards" }),
    grants: z.array(z.string()).openapi({
      description: "A verb and a path each, or `admin`",
      example: ["read:/feeds/declarations"],
    }),
    consumer: z
      .string()
      .nullable()
      .optional()
      .transform((name) => name ?? null)
      .openapi({ description: "The consumer that it reads and commits as" }),
    expires: expires.optional().transform((ms) => ms ?? null),
  })
  .openapi("NewKey");

const keyRotation = z
  .strictObject({
    overlapSeconds: z
      .int()
      .min(0)
      .max(MOST_OVERLAP_SECONDS)
      .default(OVERLAP_SECONDS)
      .openapi({ description: "How long the old key is valid beside the new one" }),
    expires: expires.optional().openapi({
      description:
        "Expiry of the new key; null: never; unless given, it lives as long as the old one was to live",
    }),
  })
  .openapi("KeyRotation");

/** Creates the schemas that validate requests about keys. */
export function createKeySchemas({ pageEvents }: Pick<Limits, "pageEvents">) {
  return {
    newKey,
    keyRotation,
    keysQuery: z.strictObject({
      cursor: z.string().optional().openapi({ description: "Only those listed after the key with this id" }),
      limit: wholeNumber({ min: 1, max: pageEvents }).optional(),
    }),
  };
}
