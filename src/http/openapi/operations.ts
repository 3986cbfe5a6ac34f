import { OpenAPIHono, type RouteConfig, z } from "@hono/zod-openapi";

import type { Limits } from "../../core/limits.ts";
import { createAddressRules } from "../../webhooks/egress/address-rules.ts";
import { appendedSchema, streamInfoSchema, transactedSchema } from "./answers.ts";
import { consumerOperations } from "../consumers/operations.ts";
import type { AppDeps } from "../deps.ts";
import { appendExample, cloudEventExample, transactionExample } from "./examples.ts";
import { feedOperations } from "../feeds/operations.ts";
import {
  decidedOn,
  json,
  jsonBody,
  pages,
  problem,
  readHeaders,
  shownPosition,
  tellsPosition,
} from "./operation-parts.ts";
import type { RequestSchemas } from "./schemas.ts";
import { subscriptionOperations } from "../subscriptions/operations.ts";
import { createSubscriptionSchemas } from "../subscriptions/schemas.ts";

/*
 * What the HTTP operations take and give, for /openapi.json. The schemas are the ones that validate.
 */

const preconditions = decidedOn.extend({
  "if-match": z.string().optional().openapi({
    description:
      'An ETag of the stream, such as `"5-9f86d081884c7d65"`: it must be at that version, in that history of the log. `"5"`: at version 5; `*`: it must exist',
  }),
  "if-none-match": z.string().optional().openapi({ description: "`*`: the stream must not exist" }),
});

const ready = z.object({
  status: z.enum(["ready", "degraded"]),
  writeMs: z.number(),
  sweep: z
    .object({
      erasures: z.int().openapi({ description: "Erasures of which storage may still hold data" }),
      since: z.iso.datetime().nullable().openapi({ description: "When the first of them was recorded" }),
      attempts: z.int().openapi({ description: "Attempts of this process that failed in a row" }),
      error: z.string().nullable().openapi({ description: "Why the last of them failed" }),
    })
    .optional()
    .openapi({ description: "Only when degraded" }),
});

function operations(schemas: RequestSchemas, limits: Limits): RouteConfig[] {
  const stream = z.object({ stream: schemas.streamName });
  // Without an example, which would be the same for every append that is tried out.
  const key = { "idempotency-key": schemas.idempotencyKey.optional().openapi({ example: undefined }) };
  return [
    {
      method: "post",
      path: "/streams/{stream}",
      operationId: "append",
      tags: ["Append"],
      summary: "Append events to a stream",
      description: "All of the events are appended, or none. 201 means that they are on disk.",
      request: {
        params: stream,
        headers: preconditions.extend(key),
        body: {
          required: true,
          content: {
            "application/json": { schema: schemas.appendBody, example: appendExample },
            "application/cloudevents+json": { schema: schemas.newCloudEvent, example: cloudEventExample },
            "application/cloudevents-batch+json": {
              schema: schemas.newCloudEvents,
              example: [cloudEventExample],
            },
          },
        },
      },
      responses: { 201: { ...json(appendedSchema, "Appended"), ...tellsPosition }, default: problem },
    },
    {
      method: "post",
      path: "/transactions",
      operationId: "transact",
      tags: ["Append"],
      summary: "Append to several streams atomically",
      description: "The appends are made in order, all or none; a stream may occur several times.",
      request: {
        headers: decidedOn.extend(key),
        body: jsonBody(schemas.transactionBody, transactionExample),
      },
      responses: { 201: { ...json(transactedSchema, "Appended"), ...tellsPosition }, default: problem },
    },
    {
      method: "get",
      path: "/appends/{idempotencyKey}",
      operationId: "findAppend",
      tags: ["Append"],
      summary: "What an append with an idempotency key was answered",
      description: "For who lost the answer, and can no longer repeat the same request.",
      request: { params: z.object({ idempotencyKey: schemas.idempotencyKey }) },
      responses: { 200: json(transactedSchema, "It was appended"), default: problem },
    },
    {
      method: "get",
      path: "/events",
      operationId: "readEvents",
      tags: ["Read and follow"],
      summary: "Read or follow the event log",
      request: { query: schemas.logQuery, headers: readHeaders },
      responses: pages,
    },
    {
      method: "get",
      path: "/streams/{stream}",
      operationId: "readStream",
      tags: ["Read and follow"],
      summary: "Read or follow one stream",
      description: "The ETag begins with the stream's version.",
      request: { params: stream, query: schemas.streamQuery, headers: readHeaders },
      responses: pages,
    },
    {
      method: "get",
      path: "/streams",
      operationId: "listStreams",
      tags: ["Streams"],
      summary: "List streams",
      description: "By name; with `changedSince` by the position of their last event.",
      request: { query: schemas.streamsQuery, headers: shownPosition },
      responses: { 200: json(z.object({ streams: z.array(streamInfoSchema) }), "Streams"), default: problem },
    },
    {
      method: "delete",
      path: "/streams/{stream}",
      operationId: "deleteStream",
      tags: ["Streams"],
      summary: "Truncate or erase a stream",
      description:
        "`before` removes the events below a version. `reason` removes all events and leaves a tombstone, an event of type `kilde.erased`, so that followers learn of it. Versions and positions are never used again. Repeating an erasure with the same `Idempotency-Key` gives the first answer again.",
      request: { params: stream, query: schemas.deleteQuery, headers: preconditions.extend(key) },
      responses: {
        200: json(
          z.object({
            stream: z.string(),
            version: z.int(),
            firstVersion: z.int().optional(),
            position: z.int().optional(),
          }),
          "Done",
        ),
        default: problem,
      },
    },
    ...consumerOperations(schemas, {
      path: "/events",
      params: z.object({}),
      operationSuffix: "",
      tags: ["Consumers"],
    }),
    ...feedOperations(schemas),
    // Which addresses are allowed is no part of the description.
    ...subscriptionOperations(schemas, createSubscriptionSchemas(limits, createAddressRules([]))),
    {
      method: "get",
      path: "/health",
      operationId: "health",
      tags: ["Service"],
      summary: "The process is alive",
      responses: { 200: json(z.object({ status: z.literal("ok"), version: z.string() }), "Alive") },
    },
    {
      method: "get",
      path: "/ready",
      operationId: "ready",
      tags: ["Service"],
      summary: "A write went through",
      responses: {
        200: json(
          ready,
          "A write went through; `degraded`: what was erased is still in storage after a minute",
        ),
        default: problem,
      },
    },
    {
      method: "get",
      path: "/metrics",
      operationId: "metrics",
      tags: ["Service"],
      summary: "Heads, lag and progress, for Prometheus",
      responses: {
        200: {
          description: "Prometheus' text format",
          content: { "text/plain": { schema: z.string() } },
        },
      },
    },
    {
      method: "get",
      path: "/openapi.json",
      operationId: "openApi",
      tags: ["Service"],
      summary: "This description (OpenAPI 3.1)",
      responses: { 200: json(z.looseObject({ openapi: z.string() }), "The description") },
    },
    {
      method: "get",
      path: "/asyncapi.json",
      operationId: "asyncApi",
      tags: ["Service"],
      summary: "The feeds and their events (AsyncAPI 3.0)",
      responses: { 200: json(z.looseObject({ asyncapi: z.string() }), "The description") },
    },
    {
      method: "get",
      path: "/problems/{code}",
      operationId: "problemType",
      tags: ["Service"],
      summary: "What a problem type means",
      request: { params: z.object({ code: z.string().openapi({ example: "version-conflict" }) }) },
      responses: {
        200: json(
          z.object({ code: z.string(), status: z.int(), title: z.string(), remedy: z.string() }),
          "The problem type",
        ),
        default: problem,
      },
    },
  ];
}

/** The OpenAPI 3.1 description of the HTTP surface. */
export function openApiDocument(
  { schemas, limits, basePath }: Pick<AppDeps, "schemas" | "limits" | "basePath">,
  version: string,
): object {
  const described = new OpenAPIHono();
  for (const operation of operations(schemas, limits)) described.openAPIRegistry.registerPath(operation);
  return described.getOpenAPI31Document({
    openapi: "3.1.0",
    ...(basePath === "" ? {} : { servers: [{ url: basePath }] }),
    info: {
      title: "Kilde",
      version,
      description: "An event store that publishes versioned integration feeds.",
      license: { name: "Apache-2.0", url: "https://www.apache.org/licenses/LICENSE-2.0" },
    },
  });
}
