import { type RouteConfig, z } from "@hono/zod-openapi";

import { subscriptionExamples as examples } from "../openapi/examples.ts";
import { json, jsonBody, problem } from "../openapi/operation-parts.ts";
import type { RequestSchemas } from "../openapi/schemas.ts";
import {
  attemptSchema,
  blockedSchema,
  createdSchema,
  credentialsSchema,
  redeliverySchema,
  skippedSchema,
  skipSchema,
  subscriptionSchema,
  testedSchema,
} from "./answers.ts";
import type { SubscriptionSchemas } from "./schemas.ts";

const ALL = "/subscriptions";
const ONE = "/subscriptions/{subscription}";
const BLOCKED = `${ONE}/blocked`;

const tags = ["Webhooks"];

/** What the operations on subscriptions take and give, for /openapi.json. */
export function subscriptionOperations(
  { streamName }: RequestSchemas,
  schemas: SubscriptionSchemas,
): RouteConfig[] {
  const params = z.object({
    subscription: z.string().openapi({ example: "sub_0b6f1f2a3c4d4e5f8a9b0c1d2e3f4a5b" }),
  });
  const subject = params.extend({ subject: streamName });
  const one = { 200: json(subscriptionSchema, "The subscription"), default: problem };
  const query = schemas.subscriptionsQuery;
  const listed = (name: string, schema: z.ZodType, description: string) => ({
    200: json(z.object({ [name]: z.array(schema) }), description),
    default: problem,
  });
  return [
    {
      method: "get",
      path: ALL,
      operationId: "listSubscriptions",
      tags,
      summary: "List webhook subscriptions",
      description: "In order of id; `Link: rel=next` leads to more.",
      request: { query },
      responses: listed("subscriptions", subscriptionSchema, "Subscriptions"),
    },
    {
      method: "post",
      path: ALL,
      operationId: "createSubscription",
      tags,
      summary: "Have a log delivered to an endpoint",
      description: "The answer has the secret, which is not shown again.",
      request: { body: jsonBody(schemas.newSubscription, examples.create) },
      responses: { 201: json(createdSchema, "Created"), default: problem },
    },
    {
      method: "get",
      path: ONE,
      operationId: "getSubscription",
      tags,
      summary: "One subscription, and how it is",
      request: { params },
      responses: one,
    },
    {
      method: "patch",
      path: ONE,
      operationId: "changeSubscription",
      tags,
      summary: "Change the members that are stated",
      description: "`headers` are replaced as a whole. Another `url` is asked for its consent again.",
      request: { params, body: jsonBody(schemas.subscriptionChange, examples.change) },
      responses: one,
    },
    {
      method: "delete",
      path: ONE,
      operationId: "removeSubscription",
      tags,
      summary: "Remove a subscription",
      request: { params },
      responses: { 204: { description: "It is removed" }, default: problem },
    },
    {
      method: "post",
      path: `${ONE}/pause`,
      operationId: "pauseSubscription",
      tags,
      summary: "Deliver nothing until it is resumed",
      request: { params, body: jsonBody(schemas.pauseBody, examples.pause, false) },
      responses: one,
    },
    {
      method: "post",
      path: `${ONE}/resume`,
      operationId: "resumeSubscription",
      tags,
      summary: "Go on from the cursor",
      description: "An endpoint that is down is tried at once.",
      request: { params },
      responses: one,
    },
    {
      method: "post",
      path: `${ONE}/rewind`,
      operationId: "rewindSubscription",
      tags,
      summary: "Deliver again: everything, a range, or chosen subjects",
      description: "In order for each subject, while what is new is delivered, too. `dryRun` only counts.",
      request: { params, body: jsonBody(schemas.rewindBody, examples.rewind, false) },
      responses: {
        200: json(redeliverySchema, "What would be delivered again"),
        202: json(redeliverySchema, "What is being delivered again"),
        default: problem,
      },
    },
    {
      method: "post",
      path: `${ONE}/test`,
      operationId: "testSubscription",
      tags,
      summary: "Deliver an event of type `kilde.test`, once",
      request: { params },
      responses: { 200: json(testedSchema, "What became of it"), default: problem },
    },
    {
      method: "post",
      path: `${ONE}/rotate-secret`,
      operationId: "rotateSecret",
      tags,
      summary: "Sign with a new secret, and with the old one for an overlap",
      request: { params, body: jsonBody(schemas.rotation, examples.rotate, false) },
      responses: { 200: json(credentialsSchema, "The new one, shown only now"), default: problem },
    },
    {
      method: "get",
      path: `${ONE}/attempts`,
      operationId: "listAttempts",
      tags,
      summary: "The latest attempts",
      description: "25 that succeeded and 25 that failed, in order of time.",
      request: { params },
      responses: listed("attempts", attemptSchema, "Attempts"),
    },
    {
      method: "get",
      path: BLOCKED,
      operationId: "listBlocked",
      tags,
      summary: "Subjects of which an event was not taken",
      description: "By name; `Link: rel=next` leads to more.",
      request: { params, query },
      responses: listed("blocked", blockedSchema, "Blocked subjects"),
    },
    {
      method: "post",
      path: `${BLOCKED}/{subject}/retry`,
      operationId: "retryBlocked",
      tags,
      summary: "Try the event that blocks a subject at once",
      request: { params: subject },
      responses: { 202: { description: "It is tried" }, default: problem },
    },
    {
      method: "post",
      path: `${BLOCKED}/{subject}/skip`,
      operationId: "skipBlocked",
      tags,
      summary: "Give up the event that blocks a subject, on record",
      request: { params: subject, body: jsonBody(schemas.skipBody, examples.skip, false) },
      responses: { 200: json(skippedSchema, "The event that is not delivered"), default: problem },
    },
    {
      method: "get",
      path: `${ONE}/skips`,
      operationId: "listSkips",
      tags,
      summary: "Events that were given up, the latest first",
      request: { params },
      responses: listed("skips", skipSchema, "Skips"),
    },
  ];
}
