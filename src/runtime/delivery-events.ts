import type { EventLogger } from "./event-logger.ts";

import type { DeliveryRunEvent } from "../webhooks/dispatch/delivery-event.ts";

/** Logs the events of deliveries. */
export function logDeliveryEvent(logger: EventLogger, event: DeliveryRunEvent): void {
  const { subscription } = event;
  switch (event.kind) {
    case "down": {
      const { error, until } = event.trouble;
      const nextProbe = new Date(until).toISOString();
      logger.warn({ subscription, reason: error, nextProbe }, "endpoint is down");
      return;
    }
    case "up":
      logger.info({ subscription }, "endpoint is up again");
      return;
    case "many-blocked":
      logger.warn({ subscription, blocked: event.blocked }, "many subjects of the subscription are blocked");
      return;
    case "gone":
      logger.warn({ subscription }, "endpoint answered 410: the subscription is paused");
      return;
    case "creator-ended":
      logger.warn({ subscription }, "the creator may no longer read the source: the subscription is paused");
      return;
    case "failed":
      logger.error({ subscription, err: event.error }, "delivering failed; retrying");
  }
}
