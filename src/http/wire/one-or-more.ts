import { z } from "@hono/zod-openapi";

/** One of several names as a query parameter, which may be repeated. */
export function oneOrMore<const Name extends string>(names: readonly [Name, ...Name[]]) {
  const one = z.enum(names, `must be one of ${names.join(", ")}`);
  return z
    .union([z.string(), z.array(z.string())])
    .transform((stated) => [stated].flat())
    .pipe(z.array(one))
    .openapi({ type: "array", items: { type: "string", enum: [...names] } });
}
