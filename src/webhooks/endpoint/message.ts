import { createHash } from "node:crypto";

import { deliveredEvent, doorbellEvent, MEDIA_TYPE, testEvent } from "../signing/wire.ts";
import type { LogState } from "../../log/log-state.ts";
import type { DeliveryEvent } from "../dispatch/source.ts";

const deliveredText = ({ text, previous }: DeliveryEvent) => deliveredEvent(text, previous);

/** The content of one request, the same for each attempt. */
export interface Message {
  /** `webhook-id`: stable for these bytes. */
  readonly id: string;
  readonly contentType: string;
  readonly body: string;
}

/** Distinguishes bodies that would otherwise have the same id. */
function digestOf(body: string): string {
  return createHash("sha256").update(body).digest("hex").slice(0, 12);
}

/**
 * One event. Its id names everything that its bytes depend on: `previous` differs between filters, so it is part of the
 * id where it is not the version before.
 */
export function singleMessage(subscription: string, event: DeliveryEvent): Message {
  const { position, version, previous, identity, altered } = event;
  const body = deliveredText(event);
  const place = previous === version - 1 ? String(position) : `${position}-${previous}`;
  const exact = altered ? `${position}_${digestOf(body)}` : place;
  return {
    id: `${subscription}_${exact}_${identity}`,
    contentType: MEDIA_TYPE.event,
    body,
  };
}

/**
 * Several events, at least one, of one history of the log. The id has a digest of the bytes: batches with the same ends
 * and size may have other events between them, when subjects were blocked or events were erased.
 */
export function batchMessage(subscription: string, events: readonly DeliveryEvent[]): Message {
  const [first, last] = [events[0]?.position ?? 0, events.at(-1)?.position ?? 0];
  const identity = events[0]?.identity ?? "";
  const body = `[${events.map(deliveredText).join(",")}]`;
  return {
    id: `${subscription}_${first}-${last}_${events.length}_${digestOf(body)}_${identity}`,
    contentType: MEDIA_TYPE.batch,
    body,
  };
}

/** A doorbell: it announces that there are events, and contains none. */
export function doorbellMessage(subscription: string, source: string, { head, identity }: LogState): Message {
  return {
    id: `${subscription}_head_${head}_${identity}`,
    contentType: MEDIA_TYPE.event,
    body: doorbellEvent(source, head, identity),
  };
}

/** A test event without content. */
export function testMessage(subscription: string, source: string, time: string): Message {
  const id = `${subscription}_test_${Date.parse(time)}`;
  return { id, contentType: MEDIA_TYPE.event, body: testEvent(id, source, subscription, time) };
}
