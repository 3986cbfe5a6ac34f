import { z } from "@hono/zod-openapi";

import { nameFault } from "../../core/names.ts";

/**
 * What a JSON Schema can state of the rules of names, without flags, for the dialects of JavaScript, Python and Go.
 * Bytes bound the length; a name has at most as many characters.
 */
const NAME_PATTERN = "^[^\\x00-\\x1f\\x7f-\\x9f\ufffd]+$";

/** A name of a stream, type or key: text without control characters that is not too long. */
export function nameSchema(maxBytes: number) {
  return z
    .string()
    .superRefine((value, context) => {
      const fault = nameFault(value, maxBytes);
      if (fault !== null) context.addIssue({ code: "custom", message: fault });
    })
    .openapi({ minLength: 1, maxLength: maxBytes, pattern: NAME_PATTERN });
}
