import { z } from "@hono/zod-openapi";

import { nameFault } from "../../core/names.ts";

/**
 * The rules of names that a JSON Schema can state, without flags, for the dialects of JavaScript, Python and Go. The
 * limit of a name counts bytes; a name has at most as many characters.
 */
const NAME_PATTERN = "^[^\\x00-\\x1f\\x7f-\\x9f\ufffd]+$";

/** Creates the schema of a name of a stream, type or key: text without control characters, of bounded length. */
export function nameSchema(maxBytes: number) {
  return z
    .string()
    .superRefine((value, context) => {
      const fault = nameFault(value, maxBytes);
      if (fault !== null) context.addIssue({ code: "custom", message: fault });
    })
    .openapi({ minLength: 1, maxLength: maxBytes, pattern: NAME_PATTERN });
}
