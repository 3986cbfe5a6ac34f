import { z } from "@hono/zod-openapi";

import type { Limits } from "../../core/limits.ts";
import { createAddressRules } from "../../webhooks/egress/address-rules.ts";
import { consumerAnswers } from "../consumers/answers.ts";
import { feedAnswers } from "../feeds/answers.ts";
import { keyAnswers } from "../keys/answers.ts";
import { createKeySchemas } from "../keys/schemas.ts";
import { logAnswers } from "../log/answers.ts";
import { overviewAnswers } from "../overview/answers.ts";
import { serviceAnswers } from "../service/answers.ts";
import { sessionAnswers } from "../session/answers.ts";
import { newSession, sessionQuery, signInQuery } from "../session/schemas.ts";
import { streamAnswers } from "../streams/answers.ts";
import { subscriptionAnswers } from "../subscriptions/answers.ts";
import { createSubscriptionSchemas } from "../subscriptions/schemas.ts";
import type { RequestSchemas } from "./schemas.ts";
import {
  logHeader,
  json,
  jsonBody,
  problem,
  list,
  listed,
  appendHeaders,
  bulkHeaders,
  streamAppendHeaders,
  pages,
  listHeaders,
  readHeaders,
  decidedOn,
} from "./common.ts";

/** Creates the schemas that the operations describe their parameters, bodies and responses with. */
export function openApiParts(schemas: RequestSchemas, limits: Limits) {
  return {
    z,
    logHeader,
    json,
    jsonBody,
    problem,
    list,
    listed,
    appendHeaders,
    bulkHeaders,
    streamAppendHeaders,
    pages,
    listHeaders,
    readHeaders,
    decidedOn,
    schemas,
    // The description does not depend on the addresses that the settings permit for endpoints.
    subscriptionSchemas: createSubscriptionSchemas(limits, createAddressRules([])),
    sessionSchemas: { sessionQuery, newSession, signInQuery },
    keySchemas: createKeySchemas(limits),
    answers: {
      ...streamAnswers,
      ...logAnswers,
      ...feedAnswers,
      ...consumerAnswers,
      ...subscriptionAnswers,
      ...sessionAnswers,
      ...keyAnswers,
      ...overviewAnswers,
      ...serviceAnswers,
    },
    params: {
      stream: z.object({ stream: schemas.streamName }),
      feed: z.object({
        feed: z.string().min(1).openapi({ description: "Name of a feed", example: "declarations" }),
        version: z.int().min(1).openapi({ description: "Version of the feed", example: 2 }),
      }),
      key: z.object({
        key: z.string().min(1).openapi({ description: "Id of a key", example: "0123abcd4567" }),
      }),
      subscription: z.object({
        subscription: z.string().min(1).openapi({
          description: "Id of a subscription",
          example: "sub_0b6f1f2a3c4d4e5f8a9b0c1d2e3f4a5b",
        }),
      }),
    },
  };
}

export type OpenApiParts = ReturnType<typeof openApiParts>;
