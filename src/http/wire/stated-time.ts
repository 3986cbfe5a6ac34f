import { z } from "@hono/zod-openapi";

/** A time in a request, which Kilde keeps as given. */
export const statedTime = z.iso
  .datetime({ offset: true, message: "must be a time as RFC 3339 writes it, with an offset" })
  .openapi({
    description: "When it happened (RFC 3339). Kept as given.",
    example: "2026-01-31T12:00:00.000Z",
  });
