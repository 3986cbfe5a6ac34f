import { z } from "@hono/zod-openapi";

import { environmentName } from "../service/environment-name.ts";
import { OVERVIEW_PROBLEMS } from "./problems.ts";

const count = z.int().min(0);
const time = z.string().openapi({ format: "date-time" });

const activity = z.object({
  since: time.openapi({
    description: "Time of the first head: an hour ago, or later if this process began later",
  }),
  stepSeconds: z.int().openapi({ description: "Time between two heads" }),
  heads: z.array(count).openapi({ description: "Heads of the event log, the latest last" }),
  eventsPerSecond: z
    .array(z.number())
    .openapi({ description: "Events a second between each head and the next one" }),
});

const overviewProblem = z
  .object({
    kind: z.enum(OVERVIEW_PROBLEMS),
    resource: z.string().openapi({ description: "Path of the feed, subscription or consumer" }),
    detail: z.string(),
    contact: z
      .string()
      .nullable()
      .openapi({ description: "Whom it concerns, as the objective states that is missed; null: unknown" }),
    since: time.nullable().openapi({ description: "Null: unknown" }),
    next: z.object({
      view: z.string().openapi({ description: "Path of the view in the console" }),
      command: z.string().openapi({
        description: "Command that shows or repairs it",
        example: "kilde feeds resume declarations/v2",
      }),
    }),
  })
  .openapi("OverviewProblem");

const overview = z
  .object({
    version: z.string(),
    environment: environmentName,
    time: time.openapi({
      description: "When Kilde read the counts and problems; some seconds ago in a large store",
    }),
    head: count
      .nullable()
      .openapi({ description: "Position of the last event; null: the sender may not read the event log" }),
    activity: activity.nullable().openapi({
      description:
        "Growth of the event log in the last hour, as far as this process remembers. Null: the sender may not read the event log, or the process keeps no memory, as a worker",
    }),
    feeds: z
      .object({
        building: count,
        live: count,
        halted: count,
        rebuilding: count,
        retiring: count,
        superseded: count.openapi({ description: "Those that another release has to project" }),
      })
      .openapi({ description: "Feeds that the sender may read or manage, by status" }),
    consumers: z.object({ "keeps-up": count, late: count, blocked: count, silent: count }).openapi({
      description:
        "Consumers of the logs that the sender may manage, by state. A silent consumer that neither committed nor has an objective does not count",
    }),
    subscriptions: z
      .object({ delivering: count, failing: count, paused: count, blockedSubjects: count })
      .openapi({
        description: "Subscriptions that the sender may manage, by state, and their blocked subjects",
      }),
    problemCount: count,
    problems: z
      .array(overviewProblem)
      .openapi({ description: "The most urgent ones, at most 100: halted and blocked things come first" }),
  })
  .openapi("Overview");

/** Schemas of the overview, for /openapi.json. */
export const overviewAnswers = { overview };
