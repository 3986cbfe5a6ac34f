import type { Context } from "hono";

import type { AppDeps } from "../deps.ts";
import type { Operation } from "../operation.ts";
import type { OpenApiParts } from "../openapi/parts.ts";
import { needing } from "../pipeline/authorization.ts";
import type { subscriptionHandlers } from "./handlers.ts";

const ALL = "/subscriptions";
const ONE = "/subscriptions/{subscription}";
const BLOCKED = `${ONE}/blocked` as const;

const tag = "Webhooks";

/** A handler that is loaded at the first request: a server without subscriptions starts faster without it. */
function on(handler: keyof typeof subscriptionHandlers) {
  return async (c: Context, deps: AppDeps): Promise<Response> => {
    const { subscriptionHandlers: handlers } = await import("./handlers.ts");
    return handlers[handler](c, await deps.openSubscriptions());
  };
}

function one({ answers, json, problem }: OpenApiParts) {
  return { 200: json(answers.subscription, "The subscription"), default: problem };
}

const subjectParams = ({ params, schemas }: OpenApiParts) =>
  params.subscription.extend({ subject: schemas.streamName });

export const subscriptionOperations: readonly Operation[] = [
  {
    id: "listSubscriptions",
    method: "get",
    path: ALL,
    tag,
    link: "subscriptions",
    summary: "List webhook subscriptions",
    description:
      "In order of id. A sender sees the subscriptions whose events it may read; no others exist for it.",
    access: needing("manage", ALL),
    handle: on("getSubscriptions"),
    describe: ({ subscriptionSchemas, answers, listed }) => ({
      request: { query: subscriptionSchemas.subscriptionsQuery },
      responses: listed("subscriptions", answers.subscription, "Subscriptions"),
    }),
  },
  {
    id: "createSubscription",
    method: "post",
    path: ALL,
    tag,
    summary: "Deliver a log to an endpoint",
    description:
      "The answer has the secret, which Kilde does not show again. The sender also needs the grant to read the events.",
    isRecorded: true,
    access: needing("manage", ALL),
    handle: on("postSubscription"),
    describe: ({ z, subscriptionSchemas, answers, json, jsonBody, problem }) => ({
      request: {
        body: jsonBody(subscriptionSchemas.newSubscription, {
          source: "/events",
          url: "https://example.org/hook",
        }),
      },
      responses: {
        201: {
          ...json(answers.created, "The new subscription"),
          headers: z.object({ Location: z.string().openapi({ description: "Path of the subscription" }) }),
        },
        default: problem,
      },
    }),
  },
  {
    id: "getSubscription",
    method: "get",
    path: ONE,
    tag,
    summary: "Read one subscription and its state",
    access: needing("manage", ALL),
    handle: on("getSubscription"),
    describe: (parts) => ({ request: { params: parts.params.subscription }, responses: one(parts) }),
  },
  {
    id: "changeSubscription",
    method: "patch",
    path: ONE,
    tag,
    summary: "Change members of a subscription",
    description:
      "Members that the body leaves out stay as they are; `headers` replaces all headers. Kilde asks a new `url` for its consent again.",
    isRecorded: true,
    access: needing("manage", ALL),
    handle: on("patchSubscription"),
    describe: (parts) => ({
      request: {
        params: parts.params.subscription,
        body: parts.jsonBody(parts.subscriptionSchemas.subscriptionChange, { concurrency: 16 }),
      },
      responses: one(parts),
    }),
  },
  {
    id: "removeSubscription",
    method: "delete",
    path: ONE,
    tag,
    summary: "Remove a subscription",
    isRecorded: true,
    access: needing("manage", ALL),
    handle: on("deleteSubscription"),
    describe: ({ params, problem }) => ({
      request: { params: params.subscription },
      responses: { 204: { description: "Kilde removed the subscription" }, default: problem },
    }),
  },
  {
    id: "pauseSubscription",
    method: "post",
    path: `${ONE}/pause`,
    tag,
    summary: "Pause a subscription",
    isRecorded: true,
    access: needing("manage", ALL),
    handle: on("pauseSubscription"),
    describe: (parts) => ({
      request: {
        params: parts.params.subscription,
        body: parts.jsonBody(parts.subscriptionSchemas.pauseBody, { reason: "maintenance" }, false),
      },
      responses: one(parts),
    }),
  },
  {
    id: "resumeSubscription",
    method: "post",
    path: `${ONE}/resume`,
    tag,
    summary: "Resume a subscription from its cursor",
    description: "Kilde tries an endpoint that is down at once.",
    isRecorded: true,
    access: needing("manage", ALL),
    handle: on("resumeSubscription"),
    describe: (parts) => ({ request: { params: parts.params.subscription }, responses: one(parts) }),
  },
  {
    id: "rewindSubscription",
    method: "post",
    path: `${ONE}/rewind`,
    tag,
    summary: "Deliver events again: all, a range, or those of chosen subjects",
    description: "In order for each subject, beside the delivery of new events. `dryRun` only counts.",
    isRecorded: true,
    access: needing("manage", ALL),
    handle: on("rewindSubscription"),
    describe: ({ params, subscriptionSchemas, answers, json, jsonBody, problem }) => ({
      request: {
        params: params.subscription,
        body: jsonBody(subscriptionSchemas.rewindBody, { dryRun: true }, false),
      },
      responses: {
        200: json(answers.redelivery, "The events that Kilde would deliver again"),
        202: json(answers.redelivery, "The events that Kilde delivers again"),
        default: problem,
      },
    }),
  },
  {
    id: "testSubscription",
    method: "post",
    path: `${ONE}/test`,
    tag,
    summary: "Deliver an event of type `kilde.test`, once",
    access: needing("manage", ALL),
    handle: on("testSubscription"),
    describe: ({ params, answers, json, problem }) => ({
      request: { params: params.subscription },
      responses: { 200: json(answers.tested, "The result of the delivery"), default: problem },
    }),
  },
  {
    id: "rotateSecret",
    method: "post",
    path: `${ONE}/rotate-secret`,
    tag,
    summary: "Sign with a new secret, and with the old one for an overlap",
    isRecorded: true,
    access: needing("manage", ALL),
    handle: on("rotateSecret"),
    describe: ({ params, subscriptionSchemas, answers, json, jsonBody, problem }) => ({
      request: {
        params: params.subscription,
        body: jsonBody(subscriptionSchemas.rotation, { overlapSeconds: 3_600 }, false),
      },
      responses: {
        200: json(answers.credentials, "The new secret, which Kilde does not show again"),
        default: problem,
      },
    }),
  },
  {
    id: "listAttempts",
    method: "get",
    path: `${ONE}/attempts`,
    tag,
    summary: "List the latest attempts, the latest first",
    description:
      "25 that succeeded and 25 that failed. A subscription with `keepAttempts` keeps so many of each, with the beginning of the request and of the answer.",
    access: needing("manage", ALL),
    handle: on("getAttempts"),
    describe: ({ params, subscriptionSchemas, answers, json, problem }) => ({
      request: { params: params.subscription, query: subscriptionSchemas.attemptsQuery },
      responses: { 200: json(answers.attempts, "Attempts"), default: problem },
    }),
  },
  {
    id: "listBlocked",
    method: "get",
    path: BLOCKED,
    tag,
    summary: "List blocked subjects",
    description: "Subjects with an event that the endpoint did not accept, by name.",
    access: needing("manage", ALL),
    handle: on("getBlocked"),
    describe: ({ params, subscriptionSchemas, answers, listed }) => ({
      request: { params: params.subscription, query: subscriptionSchemas.blockedQuery },
      responses: listed("blocked", answers.blocked, "Blocked subjects"),
    }),
  },
  {
    id: "retryBlocked",
    method: "post",
    path: `${BLOCKED}/{subject}/retry`,
    tag,
    summary: "Retry the event that blocks a subject at once",
    access: needing("manage", ALL),
    handle: on("retryBlockedSubject"),
    describe: (parts) => ({
      request: { params: subjectParams(parts) },
      responses: { 202: { description: "Kilde tries the event" }, default: parts.problem },
    }),
  },
  {
    id: "skipBlocked",
    method: "post",
    path: `${BLOCKED}/{subject}/skip`,
    tag,
    summary: "Skip the event that blocks a subject, and record that",
    isRecorded: true,
    access: needing("manage", ALL),
    handle: on("skipBlockedEvent"),
    describe: (parts) => ({
      request: {
        params: subjectParams(parts),
        body: parts.jsonBody(parts.subscriptionSchemas.skipBody, {}, false),
      },
      responses: {
        200: parts.json(parts.answers.skipped, "The event that Kilde does not deliver"),
        default: parts.problem,
      },
    }),
  },
  {
    id: "listSkips",
    method: "get",
    path: `${ONE}/skips`,
    tag,
    summary: "List skipped events, the latest first",
    access: needing("manage", ALL),
    handle: on("getSkips"),
    describe: ({ params, answers, list }) => ({
      request: { params: params.subscription },
      responses: list("skips", answers.skip, "Skips"),
    }),
  },
];
