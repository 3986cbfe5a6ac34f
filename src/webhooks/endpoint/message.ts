import { createHash } from "node:crypto";

import { deliveredEvent, doorbellEvent, MEDIA_TYPE, testEvent } from "../signing/wire.ts";
import type { LogState } from "../../log/log-state.ts";
import type { DeliveryEvent } from "../dispatch/source.ts";

const eventText = ({ text, previous }: DeliveryEvent) => deliveredEvent(text, previous);

/** What is delivered with one request, the same however often it is tried. */
export interface Message {
  /** `webhook-id`: stable for these bytes. */
  readonly id: string;
  readonly contentType: string;
  readonly body: string;
}

/** Tells bytes from others that could have the same id without it. */
function digestOf(body: string): string {
  return createHash("sha256").update(body).digest("hex").slice(0, 12);
}

/**
 * One event. Its id names all that its bytes depend on: `previous` differs between filters, so that it is part of the id
 * where it is not the version before.
 */
export function singleMessage(subscription: string, event: DeliveryEvent): Message {
  const { position, version, previous, identity, altered } = event;
  const body = eventText(event);
  const place = previous === version - 1 ? String(position) : `${position}-${previous}`;
  const exact = altered ? `${position}_${digestOf(body)}` : place;
  return {
    id: `${subscription}_${exact}_${identity}`,
    contentType: MEDIA_TYPE.event,
    body,
  };
}

/**
 * Several events of one history of the log, one at least. The id has a digest of the bytes: batches with the same ends and
 * size may have other events between them, when subjects were blocked or events were erased.
 */
export function batchMessage(subscription: string, events: readonly DeliveryEvent[]): Message {
  const [first, last] = [events[0]?.position ?? 0, events.at(-1)?.position ?? 0];
  const identity = events[0]?.identity ?? "";
  const body = `[${events.map(eventText).join(",")}]`;
  return {
    id: `${subscription}_${first}-${last}_${events.length}_${digestOf(body)}_${identity}`,
    contentType: MEDIA_TYPE.batch,
    body,
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
