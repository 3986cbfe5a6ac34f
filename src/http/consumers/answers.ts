import { z } from "@hono/zod-openapi";

import { consumerFailure } from "./consumer-failure.ts";
import { CONSUMER_STATES } from "./state.ts";

const position = z.int().min(0);

const consumer = z
  .object({
    consumer: z.string(),
    committed: position.nullable().openapi({ description: "Position it stated; null: it never stated one" }),
    sent: position
      .nullable()
      .openapi({ description: "Position up to which it was sent everything, when it last read the log" }),
    state: z.enum(CONSUMER_STATES).openapi({
      description:
        "silent: not seen for 5 minutes; blocked: it reported blocked subjects; late: it lacks an event that is older than a minute. Where it has an objective, its alarms decide: silent or late while one is open",
    }),
    lag: z.object({ events: z.int(), seconds: z.number() }).openapi({
      description:
        "Lag behind the committed position, or else the sent one; seconds: age of the first event. None for a consumer that only reads single subjects",
    }),
    blocked: z.int().openapi({ description: "Subjects that it reported as blocked with its last commit" }),
    failure: consumerFailure
      .nullable()
      .openapi({ description: "The last failure that it reported with that" }),
    active: z.boolean().openapi({ description: "It read or committed within `limits.consumerSeconds`" }),
    since: z.string().openapi({ description: "When it was first seen" }),
    seen: z.string().openapi({ description: "When it last read or committed" }),
  })
  .openapi("Consumer");

const consumerLag = z
  .object({
    stepSeconds: z.int().openapi({ description: "Time between two samples" }),
    samples: z.array(
      z.object({
        time: z.string().openapi({ format: "date-time" }),
        events: z.int().min(0).openapi({ description: "`lag.events` of the consumer at that time" }),
        seconds: z.int().min(0).openapi({ description: "`lag.seconds` of the consumer at that time" }),
      }),
    ),
  })
  .openapi("LagHistory");

/** Schemas of the answers about consumers, for /openapi.json. */
export const consumerAnswers = { consumer, consumerLag };
