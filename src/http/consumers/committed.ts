import { z } from "@hono/zod-openapi";

import { consumerFailure } from "./consumer-failure.ts";

/** The body of a commit: the progress of a consumer. */
export const committedBody = z
  .strictObject({
    position: z
      .int()
      .min(0)
      .max(Number.MAX_SAFE_INTEGER)
      .openapi({ description: "The consumer has handled everything up to this event; 0: nothing yet" }),
    rewind: z
      .boolean()
      .optional()
      .openapi({ description: "The position may be before the one committed so far" }),
    blocked: z
      .int()
      .min(0)
      .max(Number.MAX_SAFE_INTEGER)
      .optional()
      .openapi({ description: "Subjects whose events the consumer could not handle; default 0" }),
    failure: consumerFailure
      .nullable()
      .optional()
      .openapi({ description: "The last failure of those; default null" }),
  })
  .openapi("Committed");
