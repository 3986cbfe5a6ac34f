import { type RouteConfig, z } from "@hono/zod-openapi";

import { consumerOperations } from "../consumers/operations.ts";
import { feedSchema, feedSchemasSchema, subjectInfoSchema } from "./answers.ts";
import { json, pages, problem, readHeaders, shownPosition } from "../openapi/operation-parts.ts";
import type { RequestSchemas } from "../openapi/schemas.ts";

const FEED = "/feeds/{feed}/v{version}";

/** What the operations on feeds take and give, for /openapi.json. */
export function feedOperations(schemas: RequestSchemas): RouteConfig[] {
  const feed = z.object({
    feed: z.string().openapi({ example: "declarations" }),
    version: z.int().min(1).openapi({ example: 2 }),
  });
  const subject = feed.extend({ subject: schemas.streamName });
  const one = { 200: json(feedSchema, "The feed"), default: problem };
  const tags = ["Feeds"];
  return [
    {
      method: "get",
      path: "/feeds",
      operationId: "listFeeds",
      tags,
      summary: "The catalogue of feeds",
      responses: { 200: json(z.object({ feeds: z.array(feedSchema) }), "Feeds"), default: problem },
    },
    {
      method: "get",
      path: FEED,
      operationId: "readFeed",
      tags,
      summary: "Read or follow a version of a feed",
      description:
        "An HTTP Feed. A deprecated version says so in the headers Deprecation, Sunset and Link (rel=successor-version).",
      request: { params: feed, query: schemas.logQuery, headers: readHeaders },
      responses: pages,
    },
    {
      method: "get",
      path: `${FEED}/subjects`,
      operationId: "listSubjects",
      tags,
      summary: "List the subjects of a feed",
      description: "By name; with `changedSince` by the position of their last event.",
      request: { params: feed, query: schemas.streamsQuery, headers: shownPosition },
      responses: {
        200: json(z.object({ subjects: z.array(subjectInfoSchema) }), "Subjects"),
        default: problem,
      },
    },
    {
      method: "get",
      path: `${FEED}/subjects/{subject}`,
      operationId: "readSubject",
      tags,
      summary: "Read or follow one subject of a feed",
      description:
        "Complete as of the request, also while the feed is being built: what is missing is projected first.",
      request: { params: subject, query: schemas.streamQuery, headers: readHeaders },
      responses: pages,
    },
    {
      method: "get",
      path: `${FEED}/status`,
      operationId: "feedStatus",
      tags,
      summary: "How a version of a feed is doing",
      request: { params: feed },
      responses: one,
    },
    {
      method: "get",
      path: `${FEED}/schemas`,
      operationId: "feedSchemas",
      tags,
      summary: "The contract of a version of a feed",
      request: { params: feed },
      responses: { 200: json(feedSchemasSchema, "Schemas"), default: problem },
    },
    {
      method: "delete",
      path: FEED,
      operationId: "retireFeed",
      tags,
      summary: "Retire a version of a feed",
      description:
        "It is gone at once, and deleted in the background. Refused while another feed is projected from it, a subscription that is not paused delivers it, or a consumer has read it within its window.",
      request: { params: feed, query: schemas.retireQuery },
      responses: { 202: json(feedSchema, "It is being deleted"), default: problem },
    },
    {
      method: "post",
      path: `${FEED}/rebuild`,
      operationId: "rebuildFeed",
      tags,
      summary: "Build a draft anew",
      request: { params: feed },
      responses: { 202: json(feedSchema, "It is being emptied"), default: problem },
    },
    {
      method: "post",
      path: `${FEED}/resume`,
      operationId: "resumeFeed",
      tags,
      summary: "Let a halted feed try again",
      request: { params: feed },
      responses: one,
    },
    ...consumerOperations(schemas, {
      path: FEED,
      params: feed,
      operationSuffix: "OfFeed",
      tags: ["Consumers"],
    }),
  ];
}
