import { z } from "@hono/zod-openapi";

/** Longest message of a failure that a consumer may report, in UTF-16 code units. */
const MESSAGE_LENGTH = 1_000;
/** Longest subject and type, in UTF-16 code units. The limits of names are lower unless they were raised. */
const NAME_LENGTH = 4_096;

/** Why a consumer could not handle an event, as it reports with a commit. */
export const consumerFailure = z.strictObject({
  subject: z.string().max(NAME_LENGTH),
  version: z.int().min(1).nullable().openapi({ description: "Null: the event could not be had" }),
  type: z.string().max(NAME_LENGTH).nullable(),
  message: z.string().max(MESSAGE_LENGTH),
  attempts: z.int().min(1),
  since: z.iso.datetime().openapi({ description: "When it first failed" }),
});
