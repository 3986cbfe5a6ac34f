import type { Context } from "hono";

import type { RedeliveryDeps } from "../../webhooks/subscriptions/redelivery.ts";
import { openSubscriptions, type SubscriptionRegistry } from "../../webhooks/subscriptions/subscriptions.ts";
import { OPERATIONS_PATH } from "../../administration/operations-log.ts";
import { EVENT_LOG_ADDRESS, type LogAddress } from "../../log/keys.ts";
import type { AppDeps } from "../deps.ts";
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
    return (
      id === EVENT_LOG_ADDRESS.id ||
      name === OPERATIONS_PATH ||
      (feed !== undefined && (await feeds.isServed(feed)))
    );
  };
  return {
    ...deps,
    redelivery,
    subscriptions: openSubscriptions({ ...redelivery, seal: delivery.seal, send, isServed }),
    subscriptionSchemas: createSubscriptionSchemas(limits, rules),
  };
}

/** Returns the id of the subscription that the path names. */
export function subscriptionIn(c: Context): string {
  return c.req.param("subscription") ?? "";
}
