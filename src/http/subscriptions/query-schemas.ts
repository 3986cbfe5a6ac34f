import { z } from "@hono/zod-openapi";

import type { Limits } from "../../core/limits.ts";
import { SUBSCRIPTION_STATUSES } from "../../webhooks/subscriptions/state.ts";
import { oneOrMore } from "../wire/one-or-more.ts";
import { wholeNumber } from "../wire/whole-number.ts";

/** Each may have more than 4 KiB of contents. */
const MOST_PAGE_ATTEMPTS = 200;

/** Creates the schemas that validate the queries of lists. */
export function subscriptionQuerySchemas({ pageEvents }: Limits) {
  const limit = wholeNumber({ min: 1, max: pageEvents }).optional();
  return {
    subscriptionsQuery: z.strictObject({
      cursor: z.string().optional().openapi({ description: "Only those whose id sorts after this one" }),
      status: oneOrMore(SUBSCRIPTION_STATUSES)
        .optional()
        .openapi({ description: "Only subscriptions with this status; the parameter may be repeated" }),
      source: z.string().optional().openapi({ description: "Only subscriptions of the log at this path" }),
      limit,
    }),
    attemptsQuery: z.strictObject({
      outcome: z
        .enum(["delivered", "failed"])
        .optional()
        .openapi({ description: "Only attempts with this outcome; default: all" }),
      before: wholeNumber({ min: 1 })
        .optional()
        .openapi({ description: "Only attempts before the one with this id: `next` of the page before" }),
      limit: wholeNumber({ min: 1, max: Math.min(MOST_PAGE_ATTEMPTS, pageEvents) }).optional(),
    }),
    blockedQuery: z.strictObject({
      cursor: z.string().optional().openapi({ description: "Only those whose name sorts after this one" }),
      limit,
    }),
  };
}
