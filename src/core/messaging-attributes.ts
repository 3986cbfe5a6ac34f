import type { Attributes } from "@opentelemetry/api";

/** The operation on events that a span describes. */
export interface MessagingOperation {
  readonly name: "append" | "project" | "deliver" | "handle";
  readonly type: "send" | "process";
  /** Path of a log: `/events`, `/feeds/users/v1`. */
  readonly log: string;
  /** Number of events. */
  readonly events: number;
  /** Position of the first event; undefined: it is not known. */
  readonly position?: number | string | undefined;
  /** A consumer, or the path of a feed. */
  readonly consumer?: string;
  readonly subscription?: string;
}

/** Name of a span, by the semantic conventions for messaging. */
export function messagingSpanName({ name, log }: Pick<MessagingOperation, "name" | "log">): string {
  return `${name} ${log}`;
}

/** Id of the only event of a span. */
export function messageId(position: number | string): Attributes {
  return { "messaging.message.id": String(position) };
}

/** Attributes of a span, by the semantic conventions 1.45 for messaging. */
export function messagingAttributes(operation: MessagingOperation): Attributes {
  const { name, type, log, events, position, consumer, subscription } = operation;
  return {
    "messaging.system.name": "kilde",
    // Its former name, which most backends read.
    "messaging.system": "kilde",
    "messaging.operation.name": name,
    "messaging.operation.type": type,
    "messaging.destination.name": log,
    ...(consumer === undefined ? {} : { "messaging.consumer.group.name": consumer }),
    ...(subscription === undefined ? {} : { "messaging.destination.subscription.name": subscription }),
    ...(events === 1 ? {} : { "messaging.batch.message_count": events }),
    ...(events === 1 && position !== undefined ? messageId(position) : {}),
  };
}
