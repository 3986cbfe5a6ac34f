import { z } from "@hono/zod-openapi";

import { SUBSCRIPTION_STATUSES } from "../../webhooks/subscriptions/state.ts";

const position = z.int().min(0);
const time = z.string().openapi({ format: "date-time" });
const sequence = z
  .string()
  .openapi({ description: "Version of the event within its subject, as events have it" });
const attempted = z
  .string()
  .nullable()
  .openapi({ description: "`status 500`, `timeout`, `connection`, …; null: it was acknowledged" });

const subscription = z
  .object({
    subscription: z.string().openapi({ example: "sub_0b6f1f2a3c4d4e5f8a9b0c1d2e3f4a5b" }),
    source: z.string(),
    url: z.string(),
    types: z.array(z.string()).nullable(),
    subjectPrefix: z.string(),
    mode: z.enum(["single", "batch", "doorbell"]),
    batch: z.object({ events: z.int(), bytes: z.int() }).nullable(),
    concurrency: z.int(),
    attempts: z.int().nullable(),
    keepAttempts: z.int(),
    headers: z.array(z.string()).openapi({ description: "Names only" }),
    handshake: z
      .object({ origin: z.string(), ratePerMinute: z.int().nullable() })
      .nullable()
      .openapi({ description: "Whose consent was asked for, and the requests a minute it allows" }),
    description: z.string(),
    created: time,
    status: z.enum(SUBSCRIPTION_STATUSES),
    reason: z.string().nullable().openapi({ description: "Why it is failing or paused" }),
    cursor: position.openapi({
      description:
        "Everything up to there is delivered, but for subjects that are blocked, redelivered or under way",
    }),
    lag: z.object({ events: z.int(), seconds: z.number() }).openapi({
      description:
        "Positions after the cursor, and events up to there that are under way, wait for their subject's turn, or are redelivered; those of blocked subjects do not count. With more than 1,000 positions after the cursor, or more than 10,000 blocked subjects, only the positions count. `seconds`: age of the oldest of them",
    }),
    blocked: z.int().openapi({ description: "Subjects with an event that the endpoint did not accept" }),
    since: time.openapi({ description: "When it was last paused or resumed" }),
    creator: z.string().nullable().openapi({
      description:
        "Name of the principal on whose behalf Kilde delivers: it pauses when they may no longer read the source; null: nobody",
    }),
    rewind: z
      .object({
        after: position,
        upTo: position,
        walked: position,
        queued: z
          .array(z.object({ after: position, upTo: position }))
          .optional()
          .openapi({
            description: "Ranges that are redelivered after this one",
          }),
      })
      .nullable()
      .openapi({
        description: "The redelivery under way, and how far it has come",
      }),
    endpoint: z.object({ error: z.string(), since: time, nextProbe: time }).nullable().openapi({
      description: "Null unless the endpoint as a whole is down, or asked for a pause of more than 10 s",
    }),
  })
  .openapi("Subscription");

const credentials = z
  .object({
    secret: z.string().nullable().openapi({ description: "`whsec_…`, shown only now; null for ed25519" }),
    publicKey: z.string().nullable().openapi({ description: "`whpk_…`, which verifies ed25519" }),
  })
  .openapi("Credentials");

const created = z.object({ ...subscription.shape, ...credentials.shape }).openapi("CreatedSubscription");

const redelivery = z
  .object({ events: z.int(), subjects: z.int(), dryRun: z.boolean() })
  .openapi("Redelivery");

const tested = z
  .object({
    webhookId: z.string(),
    acknowledged: z.boolean(),
    error: attempted,
    durationMs: z.int(),
  })
  .openapi("TestDelivery");

const attempt = z
  .object({
    id: z.int().nullable().openapi({ description: "Null: the subscription keeps no contents" }),
    time: time.openapi({ description: "When it ended" }),
    durationMs: z.int(),
    outcome: z.enum(["delivered", "failed"]),
    webhookId: z.string(),
    subject: z.string().nullable().openapi({ description: "Null: the attempt concerns no single subject" }),
    error: attempted,
    status: z.int().nullable().openapi({ description: "Of the answer; null: none, or unknown" }),
    positions: z.array(position).openapi({ description: "Of its events, at most 256" }),
    request: z
      .object({
        url: z.string(),
        headers: z
          .record(z.string(), z.string())
          .openapi({ description: "The signature and the subscription's own headers are redacted" }),
        body: z.string().nullable().openapi({
          description:
            "The first 4,096 characters; null: it has more than 256 events, some were erased, or the sender may not read all of them",
        }),
      })
      .nullable(),
    answer: z.string().nullable().openapi({ description: "The first 1,024 bytes; null like `body`" }),
  })
  .openapi("Attempt");

const attempts = z.object({
  attempts: z.array(attempt),
  next: z.int().nullable().openapi({ description: "`before` of the next page; null: there is none" }),
});

const blocked = z
  .object({
    subject: z.string(),
    sequence,
    position,
    attempts: z.int(),
    error: z.string(),
    since: time,
    nextAttempt: time
      .nullable()
      .openapi({ description: "Null: it waits to be retried or skipped by request" }),
  })
  .openapi("BlockedSubject");

const skipped = z.object({ subject: z.string(), sequence }).openapi("SkippedEvent");

const skip = z
  .object({ subject: z.string(), sequence, time, attempts: z.int(), error: z.string().nullable() })
  .openapi("RecordedSkip");

/** Schemas of the answers about subscriptions, for /openapi.json. */
export const subscriptionAnswers = {
  subscription,
  credentials,
  created,
  redelivery,
  tested,
  attempts,
  blocked,
  skipped,
  skip,
};
