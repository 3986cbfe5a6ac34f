import { z } from "@hono/zod-openapi";

import { parseGrant } from "../../access/grant.ts";

const MAX_ASKED = 100;

const grantText = z.string().superRefine((text, context) => {
  const parsed = parseGrant(text);
  if ("fault" in parsed)
    context.addIssue({ code: "custom", message: `${JSON.stringify(text)} ${parsed.fault}` });
});

export const sessionQuery = z.object({
  may: z
    .union([grantText, z.array(grantText).max(MAX_ASKED, `must be at most ${MAX_ASKED} grants`)])
    .transform((texts) => [texts].flat())
    .optional()
    .openapi({
      type: "array",
      items: { type: "string", example: "append:/streams/user-1" },
      description: "Whether the sender may do this, as the text of a grant; the parameter may be repeated",
    }),
});

export const newSession = z.strictObject({
  token: z.string().openapi({ description: "Token of a key", example: "kilde_4q8z0f3k2m1n_…" }),
});

export const signInQuery = z.object({
  return: z.string().optional().openapi({
    description:
      "Path of this server that the browser returns to, with a query if need be. Default: the index",
    example: "/docs",
  }),
});
