import { z } from "@hono/zod-openapi";

const time = z.string().openapi({ format: "date-time" });

const key = z
  .object({
    key: z.string().openapi({ description: "Id, which is part of the token", example: "0123abcd4567" }),
    name: z
      .string()
      .openapi({ description: "A key and those that replace it have the same", example: "cards" }),
    status: z
      .enum(["active", "rotated", "expired", "revoked"])
      .openapi({ description: "`rotated`: another key replaces it, and it is valid until it expires" }),
    grants: z.array(z.string()).openapi({ example: ["read:/feeds/declarations"] }),
    consumer: z.string().nullable().openapi({ description: "The consumer that it reads and commits as" }),
    created: time,
    expires: time.nullable().openapi({ description: "Null: never" }),
    revoked: time.nullable(),
    successor: z.string().nullable().openapi({ description: "Id of the key that replaces it" }),
    used: time.nullable().openapi({ description: "When it was last used, to within some minutes" }),
  })
  .openapi("Key");

const issuedKey = z
  .object({ ...key.shape, token: z.string().openapi({ description: "Shown only now" }) })
  .openapi("IssuedKey");

/** Schemas of the answers about keys, for /openapi.json. */
export const keyAnswers = { key, issuedKey };
