import { z } from "@hono/zod-openapi";

import { streamAnswers } from "../streams/answers.ts";

const position = z.int().min(0);

const subjectInfo = streamAnswers.streamInfo
  .omit({ stream: true })
  .extend({ subject: z.string() })
  .openapi("Subject");

const failureSchema = z.object({
  position: position.openapi({ description: "Position in the source of the event that fails" }),
  subject: z.string(),
  message: z.string(),
  issues: z
    .array(z.object({ pointer: z.string(), detail: z.string() }))
    .openapi({ description: "The parts of the published data that break the contract" }),
  stack: z.array(z.string()).openapi({
    description: "Frames of the error that the projection threw, the innermost first; empty: it threw none",
  }),
  since: z.string().openapi({ description: "When it first failed at this event" }),
});

const feed = z
  .object({
    feed: z.string(),
    version: z.int(),
    description: z.string().nullable(),
    draft: z.boolean(),
    access: z
      .enum(["granted", "public"])
      .openapi({ description: "`public`: everyone may read it, without credentials" }),
    source: z.string().nullable().openapi({
      description: "Path of the log it is projected from; null: a feed that the sender may not read",
    }),
    types: z.array(z.string()).openapi({ description: "Types of events it publishes" }),
    status: z.enum(["building", "live", "halted", "rebuilding", "retiring"]),
    head: position.openapi({ description: "Position of the feed's last event" }),
    cursor: position.openapi({ description: "Position in the source up to which it is projected" }),
    sourceHead: position,
    lag: z.object({
      events: z.int().openapi({
        description:
          "Events of the source that are not yet projected, with those that the source itself lags by",
      }),
      seconds: z.number().openapi({ description: "Age of the oldest of them" }),
    }),
    progress: z
      .object({
        done: z.int(),
        total: z.int(),
        eventsPerSecond: z.number(),
        secondsLeft: z.number().nullable(),
      })
      .nullable()
      .openapi({ description: "Of the build, in events of the source; null when it is done" }),
    failure: failureSchema.nullable(),
    release: z.enum(["current", "older", "superseded"]).openapi({
      description:
        "The relation of the answering release to the published contract. `older`: it publishes only what the longer contract of another release allows; `superseded`: another release has to project the feed",
    }),
    erasing: z
      .boolean()
      .openapi({ description: "The source has erasures that the feed has not applied yet" }),
    tracing: z.object({ done: z.int(), total: z.int() }).nullable().openapi({
      description:
        "After an upgrade, while Kilde traces the feed's events to their source streams, in positions of the source: erasing a stream answers 503 meanwhile",
    }),
    deprecated: z.string().nullable().openapi({ description: "Since when it should not be used" }),
    sunset: z.string().nullable().openapi({ description: "When it will be gone" }),
    successor: z.int().nullable().openapi({ description: "The version to use instead" }),
    links: z.record(z.string(), z.string()),
  })
  .openapi("Feed");

const feedSchemas = z
  .object({
    schemas: z
      .record(z.string(), z.unknown())
      .openapi({ description: "JSON Schema (2020-12) of `data`, by event type" }),
  })
  .openapi("FeedSchemas");

/** Schemas of the answers about feeds, for /openapi.json. */
export const feedAnswers = { subjectInfo, feed, feedSchemas };
