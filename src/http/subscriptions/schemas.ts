import { z } from "@hono/zod-openapi";

import type { Limits } from "../../core/limits.ts";
import { earliestRecorded } from "../../core/time.ts";
import { MOST_KEPT_ATTEMPTS } from "../../webhooks/subscriptions/kept-attempts.ts";
import type { Start } from "../../webhooks/subscriptions/create-subscription.ts";
import { checkEndpoint, MOST_URL_LENGTH } from "../../webhooks/egress/endpoint.ts";
import {
  checkHeaders,
  HEADER_NAME_PATTERN,
  HEADER_VALUE_PATTERN,
  MOST_HEADER_LENGTH,
  MOST_HEADERS,
} from "../../webhooks/egress/headers.ts";
import type { AddressRules } from "../../webhooks/egress/address-rules.ts";
import { nameSchema } from "../wire/name-schema.ts";
import { secret, subscriptionBodySchemas } from "./body-schemas.ts";
import { subscriptionQuerySchemas } from "./query-schemas.ts";

/** The values that a subscription has unless its request states others. */
export const DEFAULT_SUBSCRIPTION = {
  mode: "single",
  batchEvents: 100,
  batchBytes: 1024 * 1024,
  concurrency: 64,
} as const;

const DEFAULT_BATCH = {
  events: DEFAULT_SUBSCRIPTION.batchEvents,
  bytes: DEFAULT_SUBSCRIPTION.batchBytes,
};

const MOST_CONCURRENCY = 256;
const MOST_BATCH_EVENTS = 10_000;
const MOST_TYPES = 100;

const START_FAULT = 'must be "beginning", "now", {"position": 7} or {"time": "2026-01-31T12:00:00Z"}';

const position = z.int().min(0).max(Number.MAX_SAFE_INTEGER);

/** Returns a refinement from a function that returns the fault of a value, or null. */
function checked<Value>(fault: (value: Value) => string | null) {
  return (value: Value, context: { addIssue(issue: { code: "custom"; message: string }): void }) => {
    const message = fault(value);
    if (message !== null) context.addIssue({ code: "custom", message });
  };
}

/** One object with either member, because generators of clients cannot distinguish two object types. */
const startingPoint = z
  .strictObject({
    position: position.optional(),
    time: z.iso
      .datetime({ offset: true, message: "must be a time as RFC 3339 writes it, with an offset" })
      .transform(earliestRecorded)
      .optional()
      .openapi({ type: "string", format: "date-time" }),
  })
  .refine((point) => (point.position === undefined) !== (point.time === undefined), START_FAULT)
  .openapi({ description: "Either a position or a time", minProperties: 1, maxProperties: 1 });

/** Returns the start of the delivery; by default the next event. */
function startOf(stated: "beginning" | "now" | z.output<typeof startingPoint> = "now"): Start {
  if (typeof stated === "string") return stated;
  const { position: after, time = "" } = stated;
  return after === undefined ? { time } : { position: after };
}

/** Adds a default to objects and unions, whose defaults generators of clients reject. */
function orElse<Default>(value: Default) {
  return <Stated>(stated: Stated | undefined): Stated | Default => (stated === undefined ? value : stated);
}

const LABEL = "[a-zA-Z0-9]([-0-9a-zA-Z]{0,61}[0-9a-zA-Z])?";
/** Zod's pattern has a lookahead, which Go's expressions lack. */
const HOSTNAME_PATTERN = `^${LABEL}(\\.${LABEL})*$`;

const HEADERS_DESCRIPTION = {
  description: "Sent with each request. Stored sealed, and never shown",
  maxProperties: MOST_HEADERS,
  propertyNames: { pattern: HEADER_NAME_PATTERN },
  additionalProperties: {
    type: "string" as const,
    pattern: HEADER_VALUE_PATTERN,
    maxLength: MOST_HEADER_LENGTH,
  },
};

const BATCH_DESCRIPTION = "Of mode `batch`: most events, and bytes of them, in a request";

function batchMembers({ pageBytes }: Limits) {
  return {
    events: z.int().min(1).max(MOST_BATCH_EVENTS),
    bytes: z.int().min(1).max(pageBytes),
  };
}

/** The members that a subscription is created with, and that a change may state. */
function subscriptionMembers(limits: Limits, rules: AddressRules) {
  return {
    url: z
      .string()
      .superRefine(checked((url) => checkEndpoint(url, rules)))
      .openapi({
        description: "URL that receives the events (POST)",
        example: "https://example.org/hook",
        pattern: "^https?://",
        maxLength: MOST_URL_LENGTH,
      }),
    types: z
      .array(nameSchema(limits.typeBytes))
      .min(1)
      .max(MOST_TYPES)
      .nullable()
      .openapi({ description: "Only events of these types; null: all" }),
    subjectPrefix: z
      .string()
      .max(limits.streamNameBytes)
      .openapi({ description: "Only events of subjects whose name begins so; empty: all" }),
    mode: z.enum(["single", "batch", "doorbell"]).openapi({
      description:
        "An event in each request, several, or none: a doorbell only announces that there are events to read",
    }),
    concurrency: z.int().min(1).max(MOST_CONCURRENCY).openapi({
      description: "Most requests under way at a time. A subject never has two",
    }),
    attempts: z.int().min(1).nullable().openapi({
      description:
        "Failed attempts after which an event waits until it is retried or skipped by request; null: Kilde retries without limit",
    }),
    keepAttempts: z.int().min(0).max(MOST_KEPT_ATTEMPTS).openapi({
      description:
        "Latest attempts of each outcome that Kilde keeps with the beginning of the request and of the answer, for `GET …/attempts`; 0: none",
    }),
    headers: z.record(z.string(), z.string()).superRefine(checked(checkHeaders)).openapi(HEADERS_DESCRIPTION),
    handshake: z
      .strictObject({
        origin: z.hostname().openapi({
          description: "The sender's DNS name",
          example: "kilde.example.org",
          pattern: HOSTNAME_PATTERN,
          maxLength: 253,
        }),
      })
      .nullable()
      .openapi({
        description:
          "Ask the endpoint for its consent first (CloudEvents HTTP WebHook §4), and keep to the rate it allows",
      }),
    description: z.string().max(1_000),
  };
}

function newSubscriptionSchema(limits: Limits, rules: AddressRules) {
  const members = subscriptionMembers(limits, rules);
  const batch = batchMembers(limits);
  return z
    .strictObject({
      source: z.string().openapi({ description: "Path of the log", example: "/feeds/declarations/v2" }),
      url: members.url,
      types: members.types.default(null),
      subjectPrefix: members.subjectPrefix.default(""),
      start: z
        .union([z.enum(["beginning", "now"]), startingPoint], { error: START_FAULT })
        .optional()
        .transform(startOf)
        .openapi({
          description:
            "The first event that Kilde delivers: of the log, the next one, the one after a position, or the first recorded from a time on; default now",
        }),
      mode: members.mode.default(DEFAULT_SUBSCRIPTION.mode),
      batch: z
        .strictObject({
          events: batch.events.default(DEFAULT_SUBSCRIPTION.batchEvents),
          bytes: batch.bytes.default(DEFAULT_SUBSCRIPTION.batchBytes),
        })
        .optional()
        .transform(orElse(DEFAULT_BATCH))
        .openapi({ description: BATCH_DESCRIPTION }),
      concurrency: members.concurrency.default(DEFAULT_SUBSCRIPTION.concurrency),
      attempts: members.attempts.default(null),
      keepAttempts: members.keepAttempts.default(0),
      headers: members.headers.optional().transform(orElse<Readonly<Record<string, string>>>({})),
      handshake: members.handshake.optional().transform(orElse(null)),
      description: members.description.default(""),
      secret: secret.optional(),
      signature: z
        .enum(["symmetric", "ed25519"])
        .default("symmetric")
        .openapi({ description: "Of a secret that is generated" }),
    })
    .openapi("NewSubscription");
}

function subscriptionChangeSchema(limits: Limits, rules: AddressRules) {
  return z
    .strictObject({
      ...subscriptionMembers(limits, rules),
      batch: z.strictObject(batchMembers(limits)).partial().openapi({ description: BATCH_DESCRIPTION }),
    })
    .partial()
    .openapi("SubscriptionChange");
}

/** Creates the schemas that validate requests about subscriptions. */
export function createSubscriptionSchemas(limits: Limits, rules: AddressRules) {
  return {
    newSubscription: newSubscriptionSchema(limits, rules),
    subscriptionChange: subscriptionChangeSchema(limits, rules),
    ...subscriptionBodySchemas(limits),
    ...subscriptionQuerySchemas(limits),
  };
}

export type SubscriptionSchemas = ReturnType<typeof createSubscriptionSchemas>;
