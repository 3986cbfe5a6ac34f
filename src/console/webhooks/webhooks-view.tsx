import type { ViewProps } from "../shell/views.ts";
import { SubscriptionDetail } from "./subscription-detail.tsx";
import { SubscriptionList } from "./subscription-list.tsx";
import { SUBSCRIPTION_STATES } from "./subscription-state.tsx";

/** Lists subscriptions, or shows one. */
export function WebhooksView({ rest, query }: ViewProps) {
  const [id] = rest;
  if (id !== undefined && id !== "") return <SubscriptionDetail key={id} id={id} query={query} />;
  const asked = query.get("status");
  const status = SUBSCRIPTION_STATES.find(([each]) => each === asked)?.[0] ?? "";
  return (
    <SubscriptionList
      filter={{ status, source: query.get("source") ?? "", after: query.get("after") ?? "" }}
    />
  );
}
