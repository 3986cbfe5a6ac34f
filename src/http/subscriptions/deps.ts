import type { Context } from "hono";
import type { z } from "zod";

import { KildeError } from "../../core/errors.ts";
import { parseJson } from "../../core/json.ts";
import type { RedeliveryDeps } from "../../webhooks/subscriptions/redelivery.ts";
import { openSubscriptions, type SubscriptionRegistry } from "../../webhooks/subscriptions/subscriptions.ts";
import { EVENT_LOG_ADDRESS, type LogAddress } from "../../log/keys.ts";
import { readSmallText } from "../wire/body.ts";
import type { AppDeps } from "../deps.ts";
import { validationError } from "../pipeline/problems.ts";
import { createSubscriptionSchemas, type SubscriptionSchemas } from "./schemas.ts";

/** The dependencies of the routes of subscriptions. */
export interface SubscriptionDeps extends AppDeps {
  readonly subscriptions: SubscriptionRegistry;
  readonly subscriptionSchemas: SubscriptionSchemas;
  readonly redelivery: RedeliveryDeps;
}

export async function openSubscriptionDeps(deps: AppDeps): Promise<SubscriptionDeps> {
  const { delivery, feeds, limits } = deps;
  const { rules, send } = await delivery.egress();
  const redelivery = { ...deps, onChange: delivery.onChange };
  const isServed = async ({ id, name }: LogAddress) => {
    const feed = feeds.all.find(({ log }) => log.name === name);
    return id === EVENT_LOG_ADDRESS.id || (feed !== undefined && (await feeds.isServed(feed)));
  };
  return {
    ...deps,
    redelivery,
    subscriptions: openSubscriptions({ ...redelivery, seal: delivery.seal, send, isServed }),
    subscriptionSchemas: createSubscriptionSchemas(limits, rules),
  };
}

const BODY_DEPTH = 4;

/** Returns the validated body of a request. Throws a KildeError when there is none. */
export async function bodyOf<Body>(c: Context, deps: AppDeps, schema: z.ZodType<Body>): Promise<Body> {
  const text = await readSmallText(c.req.raw, deps);
  if (text === "") throw new KildeError("invalid-body", "The request has no body");
  return validBody(text, schema);
}

/** Returns the validated body of a request that may have none, if all of its members have defaults. */
export async function optionalBodyOf<Body>(
  c: Context,
  deps: AppDeps,
  schema: z.ZodType<Body>,
): Promise<Body> {
  const text = await readSmallText(c.req.raw, deps);
  return validBody(text === "" ? "{}" : text, schema);
}

function validBody<Body>(text: string, schema: z.ZodType<Body>): Body {
  const body = schema.safeParse(parseJson(text, BODY_DEPTH).value);
  if (!body.success) throw validationError("invalid-body", body.error.issues);
  return body.data;
}

/** Returns the id of the subscription that the path names. */
export function subscriptionIn(c: Context): string {
  return c.req.param("subscription") ?? "";
}
