import { z } from "@hono/zod-openapi";

import { PLACED_ATTRIBUTES } from "../../core/attributes.ts";
import { RESERVED_TYPE_PREFIX } from "../../core/event.ts";
import { type Limits, MAX_BULK_APPENDS } from "../../core/limits.ts";
import { nameSchema } from "../wire/name-schema.ts";
import { statedTime } from "../wire/stated-time.ts";
import {
  ATTRIBUTES_DESCRIPTION,
  CLOUD_EVENT_DESCRIPTION,
  CONTENT_TYPE_DESCRIPTION,
} from "./attribute-description.ts";
import { attributeFault, ownAttributeFault } from "./attributes.ts";

const version = z
  .int()
  .min(0)
  .max(Number.MAX_SAFE_INTEGER)
  .openapi({ description: "1-based and gapless within a stream; 0 is a stream that does not exist" });

const expectedVersion = z.union([version, z.enum(["exists", "any"])]).openapi("ExpectedVersion", {
  description: 'The version the stream must have: a number (0: it must not exist), "exists", or "any"',
});

/** Most characters of a short text. */
export const MOST_SHORT_TEXT = 1024;

/** A short text, such as an attribute or the reason of an erasure. */
export const shortText = z.string().min(1).max(MOST_SHORT_TEXT);

const metadata = z
  .looseObject({
    correlationId: shortText.optional(),
    causationId: shortText.optional(),
    traceparent: shortText.optional().openapi({ description: "W3C Trace Context" }),
    tracestate: shortText.optional(),
  })
  .openapi("Metadata", {
    description: "Information about the event besides its data; further members are free",
  });

export function streamNameSchema({ streamNameBytes }: Limits) {
  return nameSchema(streamNameBytes).openapi({ description: "Name of a stream", example: "user-1" });
}

function typeSchema({ typeBytes }: Limits) {
  return nameSchema(typeBytes)
    .openapi({ description: "The kind of event", example: "UserRegistered" })
    .refine(
      (value) => !value.startsWith(RESERVED_TYPE_PREFIX),
      `must not begin with "${RESERVED_TYPE_PREFIX}"`,
    );
}

function newEventSchema(limits: Limits) {
  return z
    .strictObject({
      type: typeSchema(limits),
      data: z.unknown().optional().openapi({
        description:
          "Any JSON; numbers and strings are kept as written, without the whitespace between tokens",
      }),
      metadata: metadata.optional(),
      attributes: z
        .record(z.string(), z.unknown())
        .superRefine((attributes, context) => {
          for (const [member, value] of Object.entries(attributes)) {
            const message = ownAttributeFault(member, value, limits);
            if (message !== null) context.addIssue({ code: "custom", path: [member], message });
          }
        })
        .optional()
        .openapi(ATTRIBUTES_DESCRIPTION),
      time: statedTime.optional(),
    })
    .openapi("NewEvent");
}

const metadataAttribute = z.string("must be a string").nullish();

function newCloudEventSchema(limits: Limits) {
  return z
    .looseObject({
      specversion: z.literal("1.0"),
      id: shortText,
      source: shortText,
      type: typeSchema(limits),
      subject: streamNameSchema(limits)
        .nullish()
        .openapi({ description: "If given, the name of the stream" }),
      time: statedTime.nullish(),
      datacontenttype: z.string().nullish().openapi(CONTENT_TYPE_DESCRIPTION),
      dataschema: z.string().nullish().openapi({ minLength: 1 }),
      correlationid: metadataAttribute,
      causationid: metadataAttribute,
      traceparent: metadataAttribute,
      tracestate: metadataAttribute,
      data: z.unknown().optional(),
    })
    .superRefine((event, context) => {
      for (const [member, value] of Object.entries(event)) {
        if (value === null || (PLACED_ATTRIBUTES.has(member) && member !== "data_base64")) continue;
        const message = member === "data_base64" ? "must be JSON in `data`" : attributeFault(member, value);
        if (message !== null) context.addIssue({ code: "custom", path: [member], message });
      }
    })
    .openapi("NewCloudEvent", CLOUD_EVENT_DESCRIPTION);
}

/** The key of an append, in a header or in an entry. */
export function idempotencyKeySchema({ idempotencyKeyBytes }: Limits) {
  return nameSchema(idempotencyKeyBytes).openapi({
    description: "Makes a retry safe",
    example: "8e03978e-40d5-43e8-bc93-6894a57f9324",
  });
}

/** Creates the schemas that validate the bodies of appends. */
export function createAppendSchemas(limits: Limits) {
  const newEvents = z.array(newEventSchema(limits)).min(1, "must hold at least one event");
  const append = { events: newEvents, expectedVersion: expectedVersion.optional() };
  const newCloudEvent = newCloudEventSchema(limits);
  const bulkAppend = z
    .strictObject({
      stream: streamNameSchema(limits),
      ...append,
      idempotencyKey: idempotencyKeySchema(limits).optional().openapi({ example: undefined }),
      traceparent: shortText
        .optional()
        .openapi({ description: "W3C Trace Context, in place of the header: for the events that name none" }),
      tracestate: shortText.optional(),
    })
    .openapi("BulkAppend");
  return {
    appendBody: z.strictObject(append).openapi("Append"),
    transactionBody: z
      .strictObject({
        appends: z
          .array(z.strictObject({ stream: streamNameSchema(limits), ...append }))
          .min(1, "must hold at least one append"),
      })
      .openapi("Transaction"),
    bulkAppend,
    bulkAppends: z.array(bulkAppend).min(1).max(MAX_BULK_APPENDS),
    newCloudEvent,
    newCloudEvents: z.array(newCloudEvent).min(1, "must hold at least one event"),
  };
}
