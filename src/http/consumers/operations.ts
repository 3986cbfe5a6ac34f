import { type RouteConfig, z } from "@hono/zod-openapi";

import { commitExample } from "../openapi/examples.ts";
import { json, jsonBody, problem } from "../openapi/operation-parts.ts";
import { consumerFailure } from "./consumer-failure.ts";
import { CONSUMER_STATES } from "./state.ts";
import type { RequestSchemas } from "../openapi/schemas.ts";

const position = z.int().min(0);

const consumerSchema = z
  .object({
    consumer: z.string(),
    committed: position.nullable().openapi({ description: "Position it stated; null: it never stated one" }),
    sent: position
      .nullable()
      .openapi({ description: "Position it was sent everything up to, when it last read the log" }),
    state: z.enum(CONSUMER_STATES).openapi({
      description:
        "silent: not seen for 5 minutes; blocked: it reported blocked subjects; late: it lacks an event that is older than a minute",
    }),
    lag: z.object({ events: z.int(), seconds: z.number() }).openapi({
      description:
        "Behind what is committed, or else sent; seconds: age of the first event. None for a consumer that only reads single subjects",
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

/** A log that has consumers, as the paths name it. */
interface LogPath {
  readonly path: string;
  readonly params: z.ZodObject;
  readonly operationSuffix: string;
  readonly tags: string[];
}

/** What the operations on the consumers of a log take and give, for /openapi.json. */
export function consumerOperations(
  schemas: RequestSchemas,
  { path, params, operationSuffix, tags }: LogPath,
): RouteConfig[] {
  const one = params.extend({ consumer: schemas.consumer });
  const answer = { 200: json(consumerSchema, "The consumer"), default: problem };
  return [
    {
      method: "get",
      path: `${path}/consumers`,
      operationId: `listConsumers${operationSuffix}`,
      tags,
      summary: "Who reads it, and how far behind they are",
      description: "Readers name themselves with the header `Kilde-Consumer`, or by committing a position.",
      request: { params, query: schemas.consumersQuery },
      responses: {
        200: json(z.object({ consumers: z.array(consumerSchema) }), "Consumers, in order of name"),
        default: problem,
      },
    },
    {
      method: "get",
      path: `${path}/consumers/{consumer}`,
      operationId: `getConsumer${operationSuffix}`,
      tags,
      summary: "One consumer",
      request: { params: one },
      responses: answer,
    },
    {
      method: "put",
      path: `${path}/consumers/{consumer}`,
      operationId: `commitConsumer${operationSuffix}`,
      tags,
      summary: "Commit a position",
      request: {
        params: one,
        body: jsonBody(schemas.committedBody, commitExample),
      },
      responses: answer,
    },
    {
      method: "delete",
      path: `${path}/consumers/{consumer}`,
      operationId: `removeConsumer${operationSuffix}`,
      tags,
      summary: "Forget a consumer, until it reads again",
      request: { params: one },
      responses: { 204: { description: "It is forgotten" }, default: problem },
    },
  ];
}
