import type { z } from "zod";

/** The fault of a value that is not an object, or has members that it cannot have. */
export function objectFault(message: string): {
  readonly error: z.core.$ZodErrorMap<z.core.$ZodIssueInvalidType | z.core.$ZodIssueUnrecognizedKeys>;
} {
  return {
    error: (issue) =>
      issue.code === "unrecognized_keys" ? `has no member ${issue.keys.join(", ")}; it ${message}` : message,
  };
}
