import { z } from "@hono/zod-openapi";

import type { Limits } from "../../core/limits.ts";
import { committedBody } from "../consumers/committed.ts";
import { createQuerySchemas } from "../log/query-schemas.ts";
import {
  createAppendSchemas,
  idempotencyKeySchema,
  shortText,
  streamNameSchema,
} from "../streams/schemas.ts";
import { nameSchema } from "../wire/name-schema.ts";
import { hasNoNul, NUL_FAULT } from "../wire/no-nul.ts";
import { wholeNumber } from "../wire/whole-number.ts";

const retireQuery = z.strictObject({
  force: z
    .enum(["true", "false"])
    .transform((value) => value === "true")
    .optional()
    .openapi({
      type: "boolean",
      description: "Also if a consumer still reads it or a subscription delivers it",
    }),
});

const deleteQuery = z.strictObject({
  before: wholeNumber({ min: 1 }).optional().openapi({
    description: "Truncate: remove the events below this version",
    example: 1,
  }),
  reason: shortText
    .refine(hasNoNul, NUL_FAULT)
    .optional()
    .openapi({ description: "Erase the stream, for this reason" }),
});

/** Creates the schemas that validate requests, which depend on the limits. */
export function createSchemas(limits: Limits) {
  return {
    streamName: streamNameSchema(limits),
    idempotencyKey: idempotencyKeySchema(limits),
    consumer: nameSchema(limits.streamNameBytes).openapi({
      description: "Name of a consumer",
      example: "cards",
    }),
    ...createAppendSchemas(limits),
    ...createQuerySchemas(limits),
    committedBody,
    retireQuery,
    deleteQuery,
  };
}

export type RequestSchemas = ReturnType<typeof createSchemas>;
