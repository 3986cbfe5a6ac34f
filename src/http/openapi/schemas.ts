import { consumerFailure } from "../consumers/consumer-failure.ts";
import { z } from "@hono/zod-openapi";

import { PLACED_ATTRIBUTES } from "../../core/attributes.ts";
import { parseCursor } from "../../core/cursor.ts";
import { RESERVED_TYPE_PREFIX } from "../../core/event.ts";
import type { Limits } from "../../core/limits.ts";
import { latestRecorded } from "../../core/time.ts";
import { attributeFault, ownAttributeFault } from "../streams/attributes.ts";
import { nameSchema } from "../wire/name-schema.ts";
import { wholeNumber } from "../wire/whole-number.ts";

function name(maxBytes: number, description: string, example: string) {
  return nameSchema(maxBytes).openapi({ description, example });
}

const time = z.iso
  .datetime({ offset: true, message: "must be a time as RFC 3339 writes it, with an offset" })
  .openapi({
    description: "When it happened (RFC 3339). Kept as given.",
    example: "2026-01-31T12:00:00.000Z",
  });

const version = z
  .int()
  .min(0)
  .max(Number.MAX_SAFE_INTEGER)
  .openapi({ description: "1-based and gapless within a stream; 0 is a stream that does not exist" });

const attribute = z.string().min(1).max(1024);

export const metadataSchema = z
  .looseObject({
    correlationId: attribute.optional(),
    causationId: attribute.optional(),
    traceparent: attribute.optional().openapi({ description: "W3C Trace Context" }),
    tracestate: attribute.optional(),
  })
  .openapi("Metadata", {
    description: "Information about the event besides its data; further members are free",
  });

/** The two forms of a cursor, for /openapi.json. */
const CURSOR_FORMS =
  "It is `<position>-<identity of the log>`, which Kilde refuses with `log-restored` where the log holds other events now. A bare position is accepted too, but does not detect a restore";

const CURSOR_PATTERN = "[0-9]{1,15}(-[0-9a-f]{16})?";

/** Creates the schemas that validate requests, which depend on the limits. */
export function createSchemas(limits: Limits) {
  const streamName = name(limits.streamNameBytes, "Name of a stream", "user-1");
  const type = name(limits.typeBytes, "The kind of event", "UserRegistered").refine(
    (value) => !value.startsWith(RESERVED_TYPE_PREFIX),
    `must not begin with "${RESERVED_TYPE_PREFIX}"`,
  );

  const newEvent = z
    .strictObject({
      type,
      data: z.unknown().optional().openapi({
        description:
          "Any JSON; numbers and strings are kept as written, without the whitespace between tokens",
      }),
      metadata: metadataSchema.optional(),
      attributes: z
        .record(z.string(), z.unknown())
        .superRefine((attributes, context) => {
          for (const [member, value] of Object.entries(attributes)) {
            const message = ownAttributeFault(member, value, limits);
            if (message !== null) context.addIssue({ code: "custom", path: [member], message });
          }
        })
        .optional()
        .openapi({
          type: "object",
          description:
            "Further CloudEvents attributes: extensions, whose values are strings, booleans or 32-bit integers, `dataschema`, and a `datacontenttype` other than application/json",
          additionalProperties: { oneOf: [{ type: "string" }, { type: "boolean" }, { type: "integer" }] },
          example: { originid: "a-1" },
        }),
      time: time.optional(),
    })
    .openapi("NewEvent");

  const expectedVersion = z.union([version, z.enum(["exists", "any"])]).openapi("ExpectedVersion", {
    description: 'The version the stream must have: a number (0: it must not exist), "exists", or "any"',
  });

  const newEvents = z.array(newEvent).min(1, "must hold at least one event");

  const appendBody = z
    .strictObject({ events: newEvents, expectedVersion: expectedVersion.optional() })
    .openapi("Append");

  const transactionBody = z
    .strictObject({
      appends: z
        .array(
          z.strictObject({
            stream: streamName,
            events: newEvents,
            expectedVersion: expectedVersion.optional(),
          }),
        )
        .min(1, "must hold at least one append"),
    })
    .openapi("Transaction");

  const newCloudEvent = z
    .looseObject({
      specversion: z.literal("1.0"),
      id: attribute,
      source: attribute,
      type,
      subject: streamName.nullish().openapi({ description: "If given, the name of the stream" }),
      time: time.nullish(),
      datacontenttype: z.string().nullish(),
      dataschema: z.string().nullish(),
      data: z.unknown().optional(),
    })
    .superRefine((event, context) => {
      for (const [member, value] of Object.entries(event)) {
        if (value === null || (PLACED_ATTRIBUTES.has(member) && member !== "data_base64")) continue;
        const message = member === "data_base64" ? "must be JSON in `data`" : attributeFault(member, value);
        if (message !== null) context.addIssue({ code: "custom", path: [member], message });
      }
    })
    .openapi("NewCloudEvent");

  const limit = wholeNumber({ min: 1, max: limits.pageEvents }).openapi({
    description: `Most items in the page (default 1000, at most ${limits.pageEvents})`,
    example: 100,
  });
  const cursor = z
    .string()
    .transform((text, context) => {
      const read = parseCursor(text);
      if (read !== null) return read;
      context.addIssue("must be the id of an event, or a cursor that an answer gave");
      return z.NEVER;
    })
    .openapi({ type: "string", pattern: `^${CURSOR_PATTERN}$` });
  const pageQuery = {
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

  return {
    streamName,
    appendBody,
    transactionBody,
    newCloudEvent,
    newCloudEvents: z.array(newCloudEvent).min(1, "must hold at least one event"),
    idempotencyKey: name(
      limits.idempotencyKeyBytes,
      "Makes a retry safe",
      "8e03978e-40d5-43e8-bc93-6894a57f9324",
    ),
    consumer: name(limits.streamNameBytes, "Name of a consumer", "cards"),
    consumersQuery: z.strictObject({
      prefix: z.string().optional().openapi({ description: "Only names that begin so" }),
      cursor: z.string().optional().openapi({ description: "Only names after this one" }),
      limit: limit.optional(),
    }),
    retireQuery: z.strictObject({
      force: z
        .enum(["true", "false"])
        .transform((value) => value === "true")
        .optional()
        .openapi({
          type: "boolean",
          description: "Also if a consumer still reads it or a subscription delivers it",
        }),
    }),
    committedBody: z
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
      .openapi("Committed"),
    logQuery: z.strictObject({
      ...pageQuery,
      subjectPrefix: z
        .string()
        .optional()
        .openapi({ description: "Only events of subjects whose name begins so" }),
    }),
    streamQuery: z.strictObject({
      ...pageQuery,
      afterVersion: wholeNumber({}).optional().openapi({ description: "Only events after this version" }),
      toVersion: wholeNumber({}).optional().openapi({ description: "The stream as of this version" }),
      asOf: time.transform(latestRecorded).optional().openapi({
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
    deleteQuery: z.strictObject({
      before: wholeNumber({ min: 1 }).optional().openapi({
        description: "Truncate: remove the events below this version",
        example: 1,
      }),
      reason: attribute.optional().openapi({ description: "Erase the stream, for this reason" }),
    }),
  };
}

export type RequestSchemas = ReturnType<typeof createSchemas>;
