import { z } from "@hono/zod-openapi";

import { parseCursor } from "../../core/cursor.ts";
import type { Limits } from "../../core/limits.ts";
import { latestRecorded } from "../../core/time.ts";
import { statedTime } from "../wire/stated-time.ts";
import { CONSUMER_STATES } from "../consumers/state.ts";
import { oneOrMore } from "../wire/one-or-more.ts";
import { wholeNumber } from "../wire/whole-number.ts";
import { MOST_CORRELATION_LENGTH } from "../../log/read/correlations.ts";

/** The two forms of a cursor, for /openapi.json. */
const CURSOR_FORMS =
  "It is `<position>-<identity of the log>`, which Kilde refuses with `log-restored` where the log holds other events now. A bare position is accepted too, but does not detect a restore";

const CURSOR_PATTERN = "[0-9]{1,15}(-[0-9a-f]{16})?";

const cursor = z
  .string()
  .transform((text, context) => {
    const read = parseCursor(text);
    if (read !== null) return read;
    context.addIssue("must be the id of an event, or a cursor that an answer gave");
    return z.NEVER;
  })
  .openapi({ type: "string", pattern: `^${CURSOR_PATTERN}$` });

function pageQuery(limits: Limits, limit: ReturnType<typeof limitSchema>) {
  return {
    lastEventId: z
      .union([z.literal("null").transform(() => undefined), cursor])
      .optional()
      .openapi({
        description: `Cursor, an opaque string from \`Link\` or the id of a server-sent event. The answer begins after it; \`null\` is the beginning of the log. ${CURSOR_FORMS}`,
        type: "string",
        pattern: `^(null|${CURSOR_PATTERN})$`,
      }),
    limit: limit.optional(),
    timeout: wholeNumber({ max: limits.timeoutMs }).optional().openapi({
      description: "Long-poll: longest wait for an event when there is none, in milliseconds, such as 5000",
    }),
    direction: z.enum(["forwards", "backwards"]).optional(),
    cacheKey: z.string().max(64).optional().openapi({
      description: "Only from a `next` link, as it is there: lets HTTP caches keep the answer",
    }),
    type: z
      .union([z.string(), z.array(z.string())])
      .transform((types) => (Array.isArray(types) ? types : [types]))
      .optional()
      .openapi({
        type: "array",
        items: { type: "string" },
        description: "Only events of these types; the parameter may be repeated",
      }),
  };
}

function limitSchema({ pageEvents }: Limits) {
  return wholeNumber({ min: 1, max: pageEvents }).openapi({
    description: `Most items in the page (default 1000, at most ${pageEvents})`,
    example: 100,
  });
}

/** Creates the schemas that validate the queries of pages and lists. */
export function createQuerySchemas(limits: Limits) {
  const limit = limitSchema(limits);
  const page = pageQuery(limits, limit);
  return {
    consumersQuery: z.strictObject({
      prefix: z.string().optional().openapi({ description: "Only names that begin so" }),
      cursor: z.string().optional().openapi({ description: "Only names after this one" }),
      state: oneOrMore(CONSUMER_STATES)
        .optional()
        .openapi({ description: "Only consumers in this state; the parameter may be repeated" }),
      limit: limit.optional(),
    }),
    correlatedQuery: z.strictObject({
      id: z
        .string()
        .min(1)
        .max(MOST_CORRELATION_LENGTH)
        .openapi({ description: "`correlationid` of the events", example: "order-812" }),
      after: wholeNumber({})
        .optional()
        .openapi({ description: "Only events after this position: `next` of the page before" }),
      limit: limit.optional(),
    }),
    logQuery: z.strictObject({
      ...page,
      subjectPrefix: z
        .string()
        .optional()
        .openapi({ description: "Only events of subjects whose name begins so" }),
    }),
    streamQuery: z.strictObject({
      ...page,
      afterVersion: wholeNumber({}).optional().openapi({ description: "Only events after this version" }),
      toVersion: wholeNumber({}).optional().openapi({ description: "The stream as of this version" }),
      asOf: statedTime.transform(latestRecorded).optional().openapi({
        description: "The stream as of this time (RFC 3339): the events recorded by then",
        type: "string",
        format: "date-time",
        example: undefined,
      }),
    }),
    streamsQuery: z.strictObject({
      prefix: z.string().optional().openapi({ description: "Only streams whose name begins so" }),
      cursor: z.string().optional().openapi({ description: "Only streams whose name sorts after this one" }),
      changedSince: cursor.optional().openapi({
        description: "Only streams with an event after this position, in order of their last position",
      }),
      limit: limit.optional(),
    }),
  };
}
