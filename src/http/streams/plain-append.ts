import { type ExpectedVersion, RESERVED_TYPE_PREFIX } from "../../core/event.ts";
import { isJsonObject } from "../../core/json-object.ts";
import type { Limits } from "../../core/limits.ts";
import { nameFault } from "../../core/names.ts";

/** An event that has no members but `type` and `data`. */
interface PlainEvent {
  readonly type: string;
  readonly data?: unknown;
  readonly time?: undefined;
  readonly metadata?: undefined;
  readonly attributes?: undefined;
}

/** The body of an append whose events have no members but `type` and `data`. */
export interface PlainAppend {
  readonly events: readonly PlainEvent[];
  readonly expectedVersion?: undefined;
}

/** An append to a stream that it names, as a part of a body. */
export interface PlainEntry {
  readonly stream: string;
  readonly events: readonly PlainEvent[];
  readonly expectedVersion?: ExpectedVersion;
  readonly idempotencyKey?: string;
}

function isPlainEvent(event: unknown, limits: Limits): boolean {
  if (typeof event !== "object" || event === null || Array.isArray(event)) return false;
  for (const member in event) if (member !== "type" && member !== "data") return false;
  return (
    "type" in event &&
    typeof event.type === "string" &&
    nameFault(event.type, limits.typeBytes) === null &&
    !event.type.startsWith(RESERVED_TYPE_PREFIX)
  );
}

/**
 * Whether a parsed body is a valid append of types and data alone. Nearly all are, and the schema, which decides all
 * others, would add a tenth to the cost of answering an append.
 */
export function isPlainAppend(value: unknown, limits: Limits): value is PlainAppend {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  for (const member in value) if (member !== "events") return false;
  return "events" in value && arePlainEvents(value.events, limits);
}

function arePlainEvents(events: unknown, limits: Limits): boolean {
  return Array.isArray(events) && events.length > 0 && events.every((event) => isPlainEvent(event, limits));
}

function isExpectedVersion(value: unknown): boolean {
  return value === "any" || value === "exists" || (Number.isSafeInteger(value) && (value as number) >= 0);
}

/** Whether a parsed value is a valid entry of `POST /appends`, with events of types and data alone. */
export function isPlainEntry(value: unknown, limits: Limits): value is PlainEntry {
  if (!isJsonObject(value)) return false;
  for (const member in value) {
    const content = value[member];
    switch (member) {
      case "stream":
        if (typeof content !== "string" || nameFault(content, limits.streamNameBytes) !== null) return false;
        break;
      case "events":
        if (!arePlainEvents(content, limits)) return false;
        break;
      case "expectedVersion":
        if (!isExpectedVersion(content)) return false;
        break;
      case "idempotencyKey":
        if (typeof content !== "string" || nameFault(content, limits.idempotencyKeyBytes) !== null)
          return false;
        break;
      default:
        return false;
    }
  }
  return "stream" in value && "events" in value;
}
