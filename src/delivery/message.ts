import { deliveredEvent, doorbellEvent, MEDIA_TYPE, testEvent } from "../webhook/wire.ts";
import type { LogState } from "../log/log-state.ts";
import type { DeliveryEvent } from "./source.ts";

const eventText = ({ text, previous }: DeliveryEvent) => deliveredEvent(text, previous);

/** What is delivered with one request, the same however often it is tried. */
export interface Message {
  /** `webhook-id`: stable for these bytes. */
  readonly id: string;
  readonly contentType: string;
  readonly body: string;
}

/** One event. */
export function singleMessage(subscription: string, event: DeliveryEvent): Message {
  return {
    id: `${subscription}_${event.position}_${event.identity}`,
    contentType: MEDIA_TYPE.event,
    body: eventText(event),
  };
}

/**
 * Several events of one history of the log, one at least. Whoever makes it sees to it that a batch with the same ends
 * always has the same events.
 */
export function batchMessage(subscription: string, events: readonly DeliveryEvent[]): Message {
  const [first, last] = [events[0]?.position ?? 0, events.at(-1)?.position ?? 0];
  const identity = events[0]?.identity ?? "";
  return {
    id: `${subscription}_${first}-${last}_${events.length}_${identity}`,
    contentType: MEDIA_TYPE.batch,
    body: `[${events.map(eventText).join(",")}]`,
  };
}

/** The news that there are events, and no event. */
export function doorbellMessage(subscription: string, source: string, { head, identity }: LogState): Message {
  return {
    id: `${subscription}_head_${head}_${identity}`,
    contentType: MEDIA_TYPE.event,
    body: doorbellEvent(source, head, identity),
  };
}

/** An event that says nothing but that deliveries arrive. */
export function testMessage(subscription: string, source: string, time: string): Message {
  const id = `${subscription}_test_${Date.parse(time)}`;
  return { id, contentType: MEDIA_TYPE.event, body: testEvent(id, source, subscription, time) };
}
