import { z } from "@hono/zod-openapi";

const sender = z
  .object({
    kind: z.enum(["anybody", "trusted", "key", "jwt", "session"]).openapi({
      description: "How Kilde knows the sender; `anybody`: the store is open",
    }),
    name: z.string().nullable().openapi({ description: "Null: the sender has none", example: "cards" }),
    grants: z.array(z.string()).openapi({ example: ["read:/feeds/declarations"] }),
    consumer: z.string().nullable().openapi({ description: "The consumer that the sender reads as" }),
    expires: z.iso.datetime().nullable().openapi({ description: "Null: never" }),
    may: z
      .array(z.object({ grant: z.string(), granted: z.boolean() }))
      .optional()
      .openapi({ description: "Whether the sender may do what `may` asks, in that order" }),
  })
  .openapi("Sender");

/** Schemas of the answers about sessions, for /openapi.json. */
export const sessionAnswers = { sender };
