import { z } from "@hono/zod-openapi";

/** The environment in an answer. */
export const environmentName = z
  .string()
  .nullable()
  .openapi({ description: "The setting `environment`; null: it is not set", example: "production" });
