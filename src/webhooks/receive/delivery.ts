import { eventOf, type KildeEvent, type WireEvent } from "../../core/read-event.ts";
import { DOORBELL_TYPE, MEDIA_TYPE, TEST_TYPE } from "../signing/wire.ts";
import { WebhookError } from "./webhook-error.ts";
import { isJsonObject } from "../../core/json-object.ts";

/** A delivered event. */
export interface ReceivedEvent<Data = unknown> extends KildeEvent<Data> {
  /**
   * Version of the previous event about the same subject that the subscription selects; 0 when there is none. A
   * receiver that last handled another version has missed the events between: it reads the subject.
   */
  readonly previousSequence: number;
}

/** A delivery: events, a doorbell that announces events, or a test that a user requested. */
export type Delivery<Data = unknown> =
  | {
      /** `webhook-id`: the same when the delivery is repeated. */
      readonly id: string;
      readonly kind: "events";
      /** Path of the log of the events: `/feeds/declarations/v2`. */
      readonly source: string;
      /** One or more, in the order of their positions. */
      readonly events: ReceivedEvent<Data>[];
    }
  | {
      readonly id: string;
      readonly kind: "doorbell";
      readonly source: string;
      /** Position of the log's last event: read up to it. */
      readonly head: number;
      /** Identity of the log that the position belongs to; absent from senders that name none. */
      readonly logIdentity?: string;
    }
  | {
      readonly id: string;
      /** A test without content: the sender expects a 2xx. */
      readonly kind: "test";
      readonly source: string;
    };

interface DeliveredEvent extends WireEvent {
  readonly source: string;
  readonly previoussequence: string;
}

type Json = Readonly<Record<string, unknown>>;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const NUMBER = /^\d{1,16}$/;

function invalid(detail: string, options?: ErrorOptions): WebhookError {
  return new WebhookError("body-invalid", detail, options);
}

function parseBody(body: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(body));
  } catch (error) {
    throw invalid("The body is not JSON in UTF-8", { cause: error });
  }
}

function isCounted(value: unknown): boolean {
  return typeof value === "string" && NUMBER.test(value) && Number.isSafeInteger(Number(value));
}

/** Checks the attributes that every CloudEvent of Kilde has. */
function checkedEvent(value: unknown): Json {
  if (!isJsonObject(value) || value["specversion"] !== "1.0")
    throw invalid("The body is not a CloudEvent 1.0");
  for (const name of ["id", "source", "type"]) {
    if (typeof value[name] !== "string" || value[name] === "") throw invalid(`The event has no ${name}`);
  }
  return value;
}

function checkedLogEvent(value: unknown): DeliveredEvent {
  const event = checkedEvent(value);
  for (const name of ["subject", "time"]) {
    if (typeof event[name] !== "string") throw invalid(`The event has no ${name}`);
  }
  for (const name of ["id", "sequence", "previoussequence"]) {
    if (!isCounted(event[name])) throw invalid(`The event's ${name} must be a number in digits`);
  }
  if (typeof event["metadata"] === "object") throw invalid("The event's metadata must be a text");
  return event as unknown as DeliveredEvent;
}

function receivedEvent<Data>(event: DeliveredEvent): ReceivedEvent<Data> {
  return Object.assign(eventOf<Data>(event), { previousSequence: Number(event.previoussequence) });
}

function doorbell(id: string, event: Json): Delivery<never> {
  const head = isJsonObject(event["data"]) ? event["data"]["head"] : undefined;
  if (typeof head !== "number" || !Number.isSafeInteger(head) || head < 0) {
    throw invalid("The doorbell's data must have the position `head`");
  }
  const identity = event["logidentity"];
  const named = typeof identity === "string" ? { logIdentity: identity } : {};
  return { id, kind: "doorbell", source: String(event["source"]), head, ...named };
}

function eventsOf<Data>(id: string, values: readonly unknown[]): Delivery<Data> {
  const events = values.map(checkedLogEvent);
  const source = events[0]?.source;
  if (source === undefined) throw invalid("The batch is empty");
  if (events.some((event) => event.source !== source)) throw invalid("The events are of several logs");
  return { id, kind: "events", source, events: events.map(receivedEvent<Data>) };
}

/** Reads the body of a delivery. Throws a WebhookError `body-invalid`, or `media-type-unsupported`. */
export function readDelivery<Data>(id: string, contentType: string | null, body: Uint8Array): Delivery<Data> {
  const mediaType = (contentType ?? "").split(";", 1)[0]?.trim().toLowerCase();
  if (mediaType === MEDIA_TYPE.event) {
    const event = checkedEvent(parseBody(body));
    if (event["type"] === TEST_TYPE) return { id, kind: "test", source: String(event["source"]) };
    return event["type"] === DOORBELL_TYPE ? doorbell(id, event) : eventsOf(id, [event]);
  }
  if (mediaType === MEDIA_TYPE.batch) {
    const events = parseBody(body);
    if (!Array.isArray(events)) throw invalid("The batch is not an array");
    return eventsOf(id, events);
  }
  throw new WebhookError(
    "media-type-unsupported",
    `Send ${MEDIA_TYPE.event} or ${MEDIA_TYPE.batch}, not ${contentType ?? "a body without a media type"}`,
  );
}
