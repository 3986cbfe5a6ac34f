import type { Context } from "hono";

import type { AppDeps } from "../deps.ts";
import type { SubscriptionDeps } from "./deps.ts";
import type { subscriptionRoutes } from "./routes.ts";

/** A subscription, in the paths of Hono. */
export const SUBSCRIPTION_PATH = "/subscriptions/:subscription";

type Routes = typeof subscriptionRoutes;

interface Ready {
  readonly routes: Routes;
  readonly deps: SubscriptionDeps;
}

/** Gives handlers that load what they need at the first request: who delivers nothing need not wait for it. */
export function subscriptionHandlers(
  deps: AppDeps,
): (route: keyof Routes) => (c: Context) => Promise<Response> {
  let ready: Promise<Ready> | null = null;
  const load = async (): Promise<Ready> => {
    const { subscriptionRoutes: routes, openSubscriptionDeps } = await import("./routes.ts");
    return { routes, deps: await openSubscriptionDeps(deps) };
  };
  return (route) => async (c) => {
    ready ??= load();
    const loaded = await ready;
    return loaded.routes[route](c, loaded.deps);
  };
}
