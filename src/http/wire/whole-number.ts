import { z } from "@hono/zod-openapi";

/** A whole number as a query parameter. */
export function wholeNumber({ min = 0, max = Number.MAX_SAFE_INTEGER }: { min?: number; max?: number }) {
  const end = max === Number.MAX_SAFE_INTEGER ? "" : ` to ${max}`;
  const message = `must be a whole number from ${min}${end}`;
  return z
    .string(message)
    .regex(/^\d{1,16}$/, message)
    .transform(Number)
    .pipe(z.int(message).min(min, message).max(max, message))
    .openapi({ type: "integer", minimum: min, maximum: max });
}
